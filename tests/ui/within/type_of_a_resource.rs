//! A type beside the name, where the argument has it already.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[within(database: &mut Vec<u32> = database())]
async fn handler(database: &mut Vec<u32>) {
    database.push(1);
}

fn main() {}
