//! The same argument twice.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = block, on_cancel = drop)]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
