//! A reference into the context function instead of the value.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = drop)]
async fn buffer<'b>() -> &'b mut Vec<u8> {
    let mut buffer = Vec::new();
    let _ = yield_resource!(&mut buffer);
}

fn main() {}
