//! The teardown's last call returns something.
use contextlib::{async_context, yield_resource};
use std::io;

async fn close(connection: String) -> Result<usize, io::Error> {
    Ok(connection.len())
}

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    close(connection).await
}

fn main() {}
