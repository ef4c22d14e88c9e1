//! What the arguments aren't called.
use contextlib::{async_context, yield_resource};

#[async_context(policy = drop)]
async fn dropped() {
    let _ = yield_resource!();
}

#[async_context(on_cancel(block))]
async fn blocking() {
    let _ = yield_resource!();
}

#[async_context(?Send)]
async fn local() {
    let _ = yield_resource!();
}

#[async_context(finish_setup)]
async fn finished() {
    let _ = yield_resource!();
}

fn main() {}
