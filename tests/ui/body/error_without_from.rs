//! The body's error can't be made from the context's.
use contextlib::{async_context, yield_resource};
use std::{io, num::ParseIntError};

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let _ = yield_resource!(String::from("7"));
}

async fn caller() {
    let _ = connection()
        .with(async |connection| -> Result<u32, ParseIntError> { connection.parse() })
        .await;
}

fn main() {}
