//! A body from before there were `async` closures.
use contextlib::{async_context, yield_resource};
use std::convert::Infallible;

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let _ = connection()
        .with(|connection| async move { Ok::<usize, Infallible>(connection.len()) })
        .await;
}

fn main() {}
