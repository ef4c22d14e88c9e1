//! The loop is meant to be left by the error, and a second yield is never meant.
use contextlib::{async_context, yield_resource};
use std::io;

async fn open() -> io::Result<String> {
    Ok(String::new())
}

#[async_context]
async fn connection() -> io::Result<String> {
    loop {
        match open().await {
            Ok(mut connection) => {
                let _ = yield_resource!(connection);
            }
            Err(error) => return Err(error),
        }
    }
}

fn main() {}
