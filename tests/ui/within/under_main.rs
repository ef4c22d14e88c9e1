//! `#[within]` below `#[tokio::main]`.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn logging() {
    let _ = yield_resource!();
}

#[tokio::main]
#[within(logging())]
async fn main() {}
