//! The resource belongs to the context: the body can't return it.
use contextlib::{async_context, yield_resource};
use std::convert::Infallible;

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let _ = connection()
        .with(async |connection| -> Result<_, Infallible> { Ok(connection) })
        .await;
}

fn main() {}
