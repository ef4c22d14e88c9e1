//! An `Err` would be a success to the contexts: a transaction would be committed.

use contextlib::{async_context, within, yield_resource};
use std::{fmt::Display, io};

type Res<T> = Result<T, io::Error>;

#[async_context]
async fn transaction() -> io::Result<()> {
    let _ = yield_resource!();
}

#[within(transaction())]
async fn by_an_alias() -> Res<u32> {
    Err(io::Error::other("failed"))
}

#[within(transaction())]
async fn by_a_trait(number: u32) -> impl Responds {
    match number {
        0 => Err("no number"),
        number => Ok(number),
    }
}

#[within(transaction())]
async fn half_written(done: bool) -> Res<u32> {
    if done {
        return Err(io::Error::other("failed"));
    }
    todo!()
}

trait Responds {}

impl<V, E: Display> Responds for Result<V, E> {}

fn main() {}
