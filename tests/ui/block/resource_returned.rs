//! A resource returned from the block.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    let kept = async_with!(db = database(), async { Ok::<_, std::fmt::Error>(db) }).await;
}

fn main() {}
