//! A resource that is returned from the body of a scope.
use contextlib::{ExitStack, async_context, yield_resource};
use std::io::Error;

#[async_context]
async fn file(mut name: String) -> String {
    let _ = yield_resource!(name);
}

async fn caller() -> Result<(), Error> {
    let file = ExitStack::scope(async |stack| -> Result<_, Error> {
        stack.enter(file("a".to_owned())).await
    })
    .await?;
    file.push('!');
    Ok(())
}

fn main() {}
