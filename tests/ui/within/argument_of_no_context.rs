//! A test's argument has another name than the context.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[within(database = database())]
#[tokio::test]
async fn inserts(db: &mut Vec<u32>) {
    db.push(1);
}

fn main() {}
