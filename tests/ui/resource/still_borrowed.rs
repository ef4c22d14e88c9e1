//! Something of the setup still borrows the resource.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn numbers() -> Vec<u32> {
    let mut numbers = vec![1, 2];
    let first = &numbers[0];
    let _ = yield_resource!(numbers);
    println!("{first}");
}

fn main() {}
