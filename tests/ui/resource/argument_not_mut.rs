//! The same with an argument.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn closing(connection: String) -> String {
    let _ = yield_resource!(connection);
    drop(connection);
}

fn main() {}
