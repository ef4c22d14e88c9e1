//! A function that returns a context, and doesn't say which.
use contextlib::{IntoContextManager, async_context, yield_resource};
use std::io;

#[async_context]
async fn number() -> io::Result<u32> {
    let _ = yield_resource!(1);
}

fn any() -> impl IntoContextManager {
    number()
}

async fn uses() -> io::Result<()> {
    any().with(async |_| io::Result::Ok(())).await
}

fn main() {
    drop(uses());
}
