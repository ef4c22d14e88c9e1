//! `Box<dyn Error>`, which isn't `Send`.
use contextlib::{ExitStack, null_context};
use std::error::Error;

async fn caller() -> Result<u32, Box<dyn Error>> {
    ExitStack::scope(async |stack| Ok(*stack.enter(null_context(1)).await?)).await
}

async fn by_hand() -> Result<(), Box<dyn Error>> {
    let stack = ExitStack::<Box<dyn Error>>::new();
    stack.enter(null_context(1)).await?;
    Ok(())
}

fn main() {
    drop(caller());
    drop(by_hand());
}
