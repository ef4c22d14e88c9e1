//! `#[tokio::main]` comes first and makes a function that isn't async.
use contextlib::{async_context, yield_resource};

#[tokio::main]
#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
}

fn main() {}
