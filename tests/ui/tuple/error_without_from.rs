//! The body's error type is made from the errors of all contexts of a tuple.
use contextlib::{IntoContextManager, async_context, yield_resource};
use std::{fmt, io};

#[async_context]
async fn file() -> Result<(), io::Error> {
    let _ = yield_resource!();
}

#[async_context]
async fn number() -> Result<(), fmt::Error> {
    let _ = yield_resource!();
}

async fn both() -> Result<(), io::Error> {
    (file(), number())
        .with(async |_| -> Result<(), io::Error> { Ok(()) })
        .await
}

fn main() {
    drop(both());
}
