//! The argument as a value: the resource is lent, not given.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[within(database = database())]
async fn handler(mut database: Vec<u32>) {
    database.push(1);
}

fn main() {}
