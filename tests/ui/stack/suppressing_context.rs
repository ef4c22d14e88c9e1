//! A suppressing context on a stack that isn't one.
use contextlib::{ExitStack, async_context, yield_resource};
use std::io::Error;

#[async_context(suppress)]
async fn forgiving() {
    yield_resource!().suppress();
}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    stack.enter(forgiving()).await?;
    stack.exit().await
}

fn main() {}
