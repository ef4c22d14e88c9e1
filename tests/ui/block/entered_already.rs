//! A guard where a context is wanted.
use contextlib::{async_context, async_with, yield_resource};
use std::io;

#[async_context]
async fn number() -> io::Result<u32> {
    let _ = yield_resource!(1);
}

async fn caller() -> io::Result<u32> {
    async_with!(number = number().enter().await?, async { Ok(*number) }).await
}

fn main() {}
