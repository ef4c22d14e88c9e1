//! A block that isn't awaited.
#![deny(unused_must_use)]
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() {
    async_with!(db = database(), async { Ok::<(), std::fmt::Error>(db.push(1)) });
}

fn main() {}
