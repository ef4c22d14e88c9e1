//! An `async` closure where one is called and not awaited.
use contextlib::ExitStack;
use std::io::Error;

async fn said() {}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    stack.callback(async || said().await);
    stack.exit().await
}

fn main() {}
