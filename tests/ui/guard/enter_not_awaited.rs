//! The future of `enter` taken for the guard.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn numbers() -> io::Result<Vec<u32>> {
    let mut numbers = vec![1, 2];
    let _ = yield_resource!(numbers);
}

async fn exited() -> io::Result<()> {
    let numbers = numbers().enter();
    numbers.exit().await?;
    Ok(())
}

async fn exited_with_a_result() -> io::Result<usize> {
    let numbers = numbers().enter();
    numbers.exit_with(Ok(1)).await
}

fn main() {}
