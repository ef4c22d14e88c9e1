//! The same in a context that can't fail.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn numbers() -> Vec<u32> {
    let mut numbers = vec![1, 2];
    let _ = yield_resource!(numbers);
    numbers.len()
}

fn main() {}
