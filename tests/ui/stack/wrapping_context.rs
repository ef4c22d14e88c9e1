//! A context that wraps its body, on a stack.
use contextlib::{ExitStack, async_context, yield_resource};
use std::{io::Error, time::Duration};
use tokio::time::timeout;

#[async_context]
async fn limited() -> Result<(), Error> {
    let _ = timeout(Duration::from_secs(1), async { yield_resource!() }).await?;
}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    stack.enter(limited()).await?;
    stack.exit().await
}

fn main() {}
