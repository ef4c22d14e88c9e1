//! `async` left out.
use contextlib::{async_context, yield_resource};

#[async_context]
fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
}

fn main() {}
