//! The teardown's last call fails with another error.
use contextlib::{async_context, yield_resource};
use std::{fmt, io};

async fn close(connection: String) -> Result<(), fmt::Error> {
    drop(connection);
    Ok(())
}

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    close(connection).await
}

fn main() {}
