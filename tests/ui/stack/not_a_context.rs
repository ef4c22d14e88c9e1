//! What is entered is no context.
use contextlib::ExitStack;
use std::io::Error;

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    stack.enter(String::from("a")).await?;
    stack.exit().await
}

fn main() {}
