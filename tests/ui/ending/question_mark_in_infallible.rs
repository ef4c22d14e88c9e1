//! `?` in a context whose return type has no error.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn port() -> u16 {
    let mut port = "8080".parse::<u16>()?;
    let _ = yield_resource!(port);
}

fn main() {}
