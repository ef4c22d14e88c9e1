//! An exit that nobody awaits.
#![deny(unused_must_use)]
use contextlib::ExitStack;
use std::io::Error;

async fn caller() {
    let stack = ExitStack::<Error>::new();
    stack.callback(|| println!("bye"));
    stack.exit();
}

fn main() {}
