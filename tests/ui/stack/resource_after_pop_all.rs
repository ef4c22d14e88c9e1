//! A resource that is used after its entry has moved to another stack.
use contextlib::{ExitStack, async_context, yield_resource};
use std::io::Error;

#[async_context]
async fn file(mut name: String) -> String {
    let _ = yield_resource!(name);
}

async fn caller() -> Result<(), Error> {
    let mut stack = ExitStack::<Error>::new();
    let file = stack.enter(file("a".to_owned())).await?;
    let other = stack.pop_all();
    file.push('!');
    other.exit().await
}

fn main() {}
