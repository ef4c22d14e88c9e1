//! `?` on what is yielded, in a context whose return type has no error.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn hosts() -> String {
    let _ = yield_resource!(std::fs::read_to_string("/etc/hosts")?);
}

fn main() {}
