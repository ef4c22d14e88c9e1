//! What runs inside a context yields, as if that made it one.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn pool() -> String {
    let _ = yield_resource!(String::new());
}

#[within(pool = pool())]
async fn length(pool: &mut String) -> usize {
    let _ = yield_resource!(pool.len());
}

fn main() {}
