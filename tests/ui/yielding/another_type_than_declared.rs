//! The signature says one thing, the yield another.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn port() -> u16 {
    let mut port = String::from("8080");
    let _ = yield_resource!(port);
}

fn main() {}
