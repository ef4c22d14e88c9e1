//! The attribute takes the error out of the return type.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context(infallible)]
async fn hosts() -> Result<String, io::Error> {
    let mut hosts = std::fs::read_to_string("/etc/hosts")?;
    let _ = yield_resource!(hosts);
}

fn main() {}
