//! A guard that `let _ =` drops at once.
#![deny(let_underscore_drop)]
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn lock() -> Result<String, io::Error> {
    let _ = yield_resource!(String::from("locked"));
}

async fn caller() -> Result<(), io::Error> {
    let _ = lock().enter().await?;
    Ok(())
}

fn main() {}
