//! The error of the second context doesn't become the body's.
use contextlib::{async_context, async_with, yield_resource};
use std::{io, num::ParseIntError};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[async_context]
async fn file() -> Result<String, io::Error> {
    let _ = yield_resource!(String::new());
}

async fn caller() -> Result<(), ParseIntError> {
    async_with!(db = database(), file = file(), async || -> Result<(), ParseIntError> {
        db.push(file.parse()?);
        Ok(())
    })
    .await
}

fn main() {}
