//! The resource taken out of its guard.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() -> String {
    let Ok(connection) = connection().enter().await;
    *connection
}

fn main() {}
