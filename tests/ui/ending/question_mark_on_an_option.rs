//! A context that would end in `None`.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn home(name: Option<String>) -> Option<String> {
    let mut home = name?;
    let _ = yield_resource!(home);
}

fn main() {}
