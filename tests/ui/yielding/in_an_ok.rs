//! The resource is yielded as one would return it.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn text() -> io::Result<String> {
    let _ = yield_resource!(Ok(String::new()));
}

fn main() {}
