//! A resource that isn't `Sync`, looked at on a stack that others might be looking at too.
use contextlib::{ExitStack, async_context, yield_resource};
use std::{cell::Cell, io::Error};

#[async_context]
async fn counter() -> Cell<u32> {
    let mut counter = Cell::new(0);
    let _ = yield_resource!(counter);
}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    let key = stack.enter_key(counter()).await?;
    if let Some(counter) = stack.get(key) {
        counter.set(1);
    }
    println!("{}", stack[key].get());
    stack.exit().await
}

fn main() {}
