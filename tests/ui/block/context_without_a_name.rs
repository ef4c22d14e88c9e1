//! A context whose resource the body has no use for.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn logging(level: u8) {
    let _ = yield_resource!();
    drop(level);
}

async fn caller() {
    async_with!(logging(3), async { Ok::<(), std::fmt::Error>(()) }).await.unwrap();
}

fn main() {}
