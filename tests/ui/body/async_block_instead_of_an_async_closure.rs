//! An `async` block takes no resource.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn number() -> io::Result<u32> {
    let _ = yield_resource!(1);
}

async fn one() -> io::Result<u32> {
    number().with(async { Ok(1) }).await
}

fn main() {}
