//! The last call is async, and not awaited.
use contextlib::{async_context, yield_resource};
use std::io;

async fn close(_: String) -> io::Result<()> {
    Ok(())
}

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    close(connection)
}

fn main() {}
