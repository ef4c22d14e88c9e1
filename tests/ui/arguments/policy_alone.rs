//! The policy without what it is for.
use contextlib::{async_context, yield_resource};

#[async_context(block)]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
