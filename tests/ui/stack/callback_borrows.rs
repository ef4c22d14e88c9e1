//! A callback that borrows: it may have to run in the background.
use contextlib::ExitStack;
use std::io::Error;

async fn caller() -> Result<(), Error> {
    let name = String::from("a");
    let stack = ExitStack::<Error>::new();
    stack.callback(|| println!("{name}"));
    stack.exit().await
}

fn main() {}
