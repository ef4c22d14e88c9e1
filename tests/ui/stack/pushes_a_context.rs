//! `push` is for closures; a context is entered.
use contextlib::{ExitStack, async_context, yield_resource};
use std::io;

#[async_context]
async fn context() -> u8 {
    let _ = yield_resource!(1);
}

async fn caller() -> io::Result<()> {
    ExitStack::scope(async |stack| {
        stack.push(context());
        Ok(())
    })
    .await
}

fn main() {
    drop(caller());
}
