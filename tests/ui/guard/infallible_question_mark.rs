//! `?` where nothing can fail.
use contextlib::{async_context, yield_resource};
use std::fmt;

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::new());
}

async fn caller() -> Result<(), fmt::Error> {
    let _guard = connection().enter().await?;
    Ok(())
}

fn main() {
    drop(caller());
}
