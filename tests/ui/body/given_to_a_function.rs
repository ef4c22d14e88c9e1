//! A function that is given a body says too little of it.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn number() -> io::Result<u32> {
    let _ = yield_resource!(1);
}

async fn with_number<F>(body: F) -> io::Result<()>
where
    F: AsyncFnOnce(&mut u32) -> io::Result<()>,
{
    number().with(body).await
}

fn main() {}
