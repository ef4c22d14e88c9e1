//! `?` on the yield, as if the body's error came out of it.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn connection() -> io::Result<String> {
    let mut connection = String::new();
    yield_resource!(connection)?;
}

fn main() {}
