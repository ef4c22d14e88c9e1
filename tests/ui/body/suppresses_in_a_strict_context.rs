//! `suppress()` in a context that doesn't say so in its signature.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn forgiving() {
    let exit = yield_resource!();
    if exit.is_failed() {
        exit.suppress();
    }
}

fn main() {}
