//! A body that returns a plain value.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    let length = async_with!(db = database(), async || db.len()).await;
}

fn main() {}
