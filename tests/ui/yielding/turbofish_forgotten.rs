//! Types in an expression without the `::` before them.
use contextlib::{async_context, yield_resource};
use std::collections::HashMap;

#[async_context]
async fn numbers() -> HashMap<u8, u8> {
    let _ = yield_resource!(HashMap<u8, u8>::new());
}

fn main() {}
