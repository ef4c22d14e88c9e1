//! An argument from another library.
use contextlib::{async_context, yield_resource};

#[async_context(retries = 3)]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
