//! A suppressing context may come to no value.
use contextlib::{async_context, yield_resource};
use std::num::ParseIntError;

#[async_context(suppress)]
async fn forgiving() {
    yield_resource!().suppress();
}

async fn caller() -> Result<u32, ParseIntError> {
    forgiving().with(async |()| "7".parse::<u32>()).await
}

fn main() {}
