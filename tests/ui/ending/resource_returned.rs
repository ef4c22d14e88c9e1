//! The resource at the end of an infallible context.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    connection
}

fn main() {}
