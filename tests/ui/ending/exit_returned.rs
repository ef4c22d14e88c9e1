//! The yield is the last expression, without a semicolon.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn connection() -> io::Result<String> {
    let mut connection = String::new();
    yield_resource!(connection)
}

fn main() {}
