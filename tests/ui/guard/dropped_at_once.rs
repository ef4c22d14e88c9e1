//! A guard that isn't kept.
#![deny(unused_must_use)]
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn lock() -> Result<String, io::Error> {
    let _ = yield_resource!(String::from("locked"));
}

async fn caller() -> Result<(), io::Error> {
    lock().enter().await?;
    Ok(())
}

fn main() {}
