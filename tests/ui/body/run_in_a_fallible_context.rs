//! A body that returns a plain value, in a context that can fail.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let length = connection().run(async |connection| connection.len()).await;
}

fn main() {}
