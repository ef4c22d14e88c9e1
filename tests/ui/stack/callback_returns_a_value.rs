//! A callback whose value nobody can get.
use contextlib::ExitStack;
use std::io::Error;

async fn caller() -> Result<(), Error> {
    let mut lines = vec![1, 2];
    let stack = ExitStack::<Error>::new();
    stack.callback(move || lines.pop());
    stack.exit().await
}

fn main() {}
