//! A policy that there isn't.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = blocking)]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
