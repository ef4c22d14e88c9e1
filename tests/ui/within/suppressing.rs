//! A suppressing context around a function that has to return a value.
use contextlib::{async_context, within, yield_resource};
use std::num::ParseIntError;

#[async_context(suppress)]
async fn forgiving() {
    yield_resource!().suppress();
}

#[within(forgiving())]
async fn handler() -> Result<u32, ParseIntError> {
    "7".parse()
}

fn main() {}
