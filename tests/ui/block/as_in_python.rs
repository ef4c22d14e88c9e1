//! `context as name`, as in Python.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    async_with!(database() as db, async { Ok::<(), std::fmt::Error>(db.push(1)) }).await;
}

fn main() {}
