//! The return type as one would write it without the attribute.
use contextlib::{ContextManager, async_context, yield_resource};

#[async_context]
async fn connection() -> ContextManager<String> {
    let _ = yield_resource!(String::from("open"));
}

fn main() {}
