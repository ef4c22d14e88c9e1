//! Contexts of one type in an array, and one that may be missing, are no context.
use contextlib::{IntoContextManager, async_context, yield_resource};

#[async_context]
async fn number() -> u32 {
    let _ = yield_resource!(1);
}

async fn sum() -> u32 {
    [number(), number()].run(async |_| 2).await
}

async fn one() {
    let _guard = Some(number()).enter().await;
}

fn main() {}
