//! A boxed context is `Send`, and so is what it holds.
use contextlib::{async_context, yield_resource};

#[async_context(boxed)]
async fn held<T>(mut value: T) -> T {
    let _ = yield_resource!(value);
}

fn main() {}
