//! A context function is to run inside another, in both orders of the attributes.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn pool() -> String {
    let _ = yield_resource!(String::new());
}

#[within(pool = pool())]
#[async_context]
async fn above(pool: String) -> usize {
    let _ = yield_resource!(pool.len());
}

#[async_context]
#[within(pool())]
async fn below() -> u8 {
    let _ = yield_resource!(1);
}

fn main() {}
