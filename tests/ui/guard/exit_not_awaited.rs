//! An exit that isn't awaited.
#![deny(unused_must_use)]
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() -> Result<(), io::Error> {
    let connection = connection().enter().await?;
    connection.exit();
    Ok(())
}

fn main() {}
