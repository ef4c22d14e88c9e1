//! The yield in a task of its own.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let task = tokio::spawn(async move {
        let _ = yield_resource!(String::from("open"));
    });
    let _ = task.await;
}

fn main() {}
