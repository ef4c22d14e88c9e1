//! A type beside the name, as in a `let`.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    let _ = async_with!(db: &mut Vec<u32> = database(), async { Ok::<(), std::fmt::Error>(db.push(1)) }).await;
}

fn main() {}
