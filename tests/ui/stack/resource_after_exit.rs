//! A resource that is used after its stack's exit.
use contextlib::{ExitStack, async_context, yield_resource};
use std::io::Error;

#[async_context]
async fn file(mut name: String) -> String {
    let _ = yield_resource!(name);
}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    let file = stack.enter(file("a".to_owned())).await?;
    stack.exit().await?;
    file.push('!');
    Ok(())
}

fn main() {}
