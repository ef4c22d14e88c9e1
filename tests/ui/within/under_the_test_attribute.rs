//! `#[within]` below `#[tokio::test]`.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[tokio::test]
#[within(database = database())]
async fn inserts(database: &mut Vec<u32>) {
    database.push(1);
}

fn main() {}
