//! A context function that isn't called.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    let _ = async_with!(db = database, async { Ok::<usize, std::fmt::Error>(db.len()) }).await;
}

fn main() {}
