//! What a function asks for that takes any context.
use contextlib::{ContextOf, async_context, yield_resource};
use std::{fmt, io};

#[async_context]
async fn word() -> String {
    let _ = yield_resource!(String::new());
}

#[async_context]
async fn formatted() -> Result<u8, fmt::Error> {
    let _ = yield_resource!(1);
}

#[async_context(suppress)]
async fn suppressing() -> u8 {
    yield_resource!(1).suppress();
}

struct Database;

fn takes(context: impl ContextOf<u8, io::Error>) {
    drop(context);
}

fn main() {
    takes(word());
    takes(formatted());
    takes(suppressing());
    takes(Database);
}
