//! A context has its name before a `=`.
use contextlib::{async_context, async_with, yield_resource};
use std::io;

#[async_context]
async fn number() -> u32 {
    let _ = yield_resource!(1);
}

async fn by_a_colon() -> io::Result<u32> {
    async_with!(n: number(), async || -> io::Result<u32> { Ok(*n) }).await
}

async fn by_let() -> io::Result<u32> {
    async_with!(let n = number(), async || -> io::Result<u32> { Ok(*n) }).await
}

async fn with_a_policy() -> io::Result<u32> {
    async_with!(
        on_cancel = drop,
        n = number(),
        async || -> io::Result<u32> { Ok(*n) }
    )
    .await
}

fn main() {}
