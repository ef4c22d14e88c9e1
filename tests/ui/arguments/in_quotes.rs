//! The value in quotes, as in some other attributes.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = "block")]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
