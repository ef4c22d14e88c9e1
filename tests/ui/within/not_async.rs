//! A function that isn't `async`.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn logging() {
    let _ = yield_resource!();
}

#[within(logging())]
fn handler() {}

fn main() {}
