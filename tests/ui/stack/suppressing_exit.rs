//! An exit that suppresses, on a stack whose outcome can't be swallowed.
use contextlib::ExitStack;
use std::io::Error;

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    stack.push(async |exit| exit.suppress());
    stack.exit().await
}

fn main() {}
