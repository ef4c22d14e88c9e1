//! `Box<dyn Error>`, which isn't `Send`.
use contextlib::{async_context, yield_resource};
use std::error::Error;

#[async_context]
async fn connection() -> Result<String, std::io::Error> {
    let _ = yield_resource!(String::new());
}

async fn caller() -> Result<u32, Box<dyn Error>> {
    connection().with(async |text| Ok(text.parse()?)).await
}

fn main() {
    drop(caller());
}
