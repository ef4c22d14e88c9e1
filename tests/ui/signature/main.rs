//! A context function gives a resource to its caller, and nobody calls `main`.
use contextlib::{async_context, yield_resource};

#[async_context]
#[tokio::main]
async fn main() {
    let _ = yield_resource!();
}
