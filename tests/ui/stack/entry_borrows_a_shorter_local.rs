//! An entry that borrows from something that is gone before the stack.
use contextlib::{ExitStack, async_context, yield_resource};
use std::io::Error;

#[async_context(on_cancel = drop)]
async fn reads(text: &str) -> usize {
    let _ = yield_resource!(text.len());
}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    {
        let text = String::from("short");
        stack.enter(reads(&text)).await?;
    }
    stack.exit().await
}

fn main() {}
