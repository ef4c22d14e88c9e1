//! The context's error doesn't become the function's.
use contextlib::{async_context, within, yield_resource};
use std::{io, num::ParseIntError};

#[async_context]
async fn database() -> Result<Vec<u32>, io::Error> {
    let _ = yield_resource!(Vec::new());
}

#[within(database = database())]
async fn handler(database: &mut Vec<u32>) -> Result<(), ParseIntError> {
    database.push("7".parse()?);
    Ok(())
}

fn main() {}
