//! The body comes last.
use contextlib::{async_context, async_with, yield_resource};
use std::io;

#[async_context]
async fn number() -> u32 {
    let _ = yield_resource!(1);
}

async fn sum() -> io::Result<u32> {
    async_with!(
        a = number(),
        async || -> io::Result<u32> { Ok(*a + *b) },
        b = number()
    )
    .await
}

fn main() {}
