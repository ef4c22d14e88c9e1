//! A body that isn't `async`.
use contextlib::{async_context, yield_resource};
use std::convert::Infallible;

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let _ = connection()
        .with(|connection: &mut String| -> Result<usize, Infallible> { Ok(connection.len()) })
        .await;
}

fn main() {}
