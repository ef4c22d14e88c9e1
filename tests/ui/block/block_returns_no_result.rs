//! The body ends with a semicolon.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

async fn caller() -> Result<(), std::fmt::Error> {
    async_with!(db = database(), async {
        db.push(1);
    })
    .await
}

fn main() {
    drop(caller());
}
