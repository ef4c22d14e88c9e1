//! A `return` of what isn't the resource.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn port(text: &'static str) -> u16 {
    if text.is_empty() {
        return 80;
    }
    let mut port = 8080;
    let _ = yield_resource!(port);
}

fn main() {}
