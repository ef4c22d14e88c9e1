//! `move async` for `async move`.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    let _ = async_with!(db = database(), move async { Ok::<(), std::fmt::Error>(db.push(1)) }).await;
}

fn main() {}
