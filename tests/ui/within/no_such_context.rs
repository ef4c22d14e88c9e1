//! A fixture that isn't called.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[within(database = database)]
async fn handler(database: &mut Vec<u32>) {
    database.push(1);
}

fn main() {}
