//! `?` on an error that doesn't become the context's.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn port() -> Result<u16, io::Error> {
    let mut port = "8080".parse::<u16>()?;
    let _ = yield_resource!(port);
}

fn main() {}
