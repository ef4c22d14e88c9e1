//! A comma missing.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[within(first = database() second = database())]
async fn handler(first: &mut Vec<u32>, second: &mut Vec<u32>) {
    first.append(second);
}

fn main() {}
