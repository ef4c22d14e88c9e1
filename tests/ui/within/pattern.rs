//! A pattern in place of the resource's name.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn pair() -> (u32, u32) {
    let _ = yield_resource!((1, 2));
}

#[within((a, b) = pair())]
async fn sum((a, b): &mut (u32, u32)) -> u32 {
    *a + *b
}

fn main() {}
