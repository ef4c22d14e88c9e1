//! The stack has been used up.
use contextlib::{ExitStack, null_context};
use std::io;

async fn uses() -> io::Result<()> {
    let stack = ExitStack::<io::Error>::new();
    stack.exit().await?;
    stack.enter(null_context(1)).await?;
    Ok(())
}

fn main() {
    drop(uses());
}
