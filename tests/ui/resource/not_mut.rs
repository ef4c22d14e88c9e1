//! The variable that the resource comes back into isn't `mut`.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let connection = String::from("open");
    let _ = yield_resource!(connection);
    drop(connection);
}

fn main() {}
