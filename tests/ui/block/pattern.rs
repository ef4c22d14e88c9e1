//! A pattern in place of the resource's name.
use contextlib::{async_context, async_with, yield_resource};

#[async_context]
async fn pair() -> (u32, u32) {
    let _ = yield_resource!((1, 2));
}

async fn caller() {
    async_with!((a, b) = pair(), async { Ok::<u32, std::fmt::Error>(*a + *b) }).await.unwrap();
}

fn main() {}
