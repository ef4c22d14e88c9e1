//! The attribute is there twice.
use contextlib::{async_context, yield_resource};

#[async_context]
#[async_context]
async fn number() -> u8 {
    let _ = yield_resource!(3);
}

fn main() {}
