//! A stack fails with one error type, which is that of no body.
use contextlib::{ExitStack, async_context, yield_resource};
use std::{error::Error, io};

#[async_context]
async fn number() -> io::Result<u32> {
    let _ = yield_resource!(1);
}

async fn entered() -> Result<(), Box<dyn Error>> {
    let stack = ExitStack::new();
    stack.enter(number()).await?;
    stack.exit().await
}

async fn of_text() -> Result<(), String> {
    let stack = ExitStack::new();
    stack.enter(number()).await?;
    stack.exit().await
}

fn main() {}
