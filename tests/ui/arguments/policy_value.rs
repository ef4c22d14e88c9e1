//! A value of the policy instead of its type.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = spawn())]
async fn called() {
    let _ = yield_resource!();
}

#[async_context(on_cancel = contextlib::policy::Block::new(), suppress)]
async fn made() {
    let _ = yield_resource!();
}

fn main() {}
