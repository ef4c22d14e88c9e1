//! The yield is taken to evaluate to the resource.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    lines = yield_resource!(lines);
    println!("{lines:?}");
}

fn main() {}
