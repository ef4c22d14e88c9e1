//! A timeout around what follows on the stack: Python's `await stack.enter_async_context(asyncio.timeout(1))`.
use contextlib::{ExitStack, contexts::timeout};
use std::{io, time::Duration};

async fn bounded() -> io::Result<()> {
    let stack = ExitStack::<io::Error>::new();
    stack.enter(timeout(Duration::from_secs(1))).await?;
    stack.exit().await
}

fn main() {
    drop(bounded());
}
