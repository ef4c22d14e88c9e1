//! Slips of the finger, all of them said at once.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancle = block, supress)]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
