//! A context is entered once; its function is what is called again.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn connection() -> io::Result<String> {
    let _ = yield_resource!(String::new());
}

async fn caller() -> io::Result<()> {
    let connection = connection();
    for _ in 0..2 {
        connection.with(async |_| io::Result::Ok(())).await?;
    }
    Ok(())
}

fn main() {
    drop(caller());
}
