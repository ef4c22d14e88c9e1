//! The yield in a block that becomes a task: only rustc can tell.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let block = async move {
        let _ = yield_resource!(String::from("open"));
    };
    let _ = tokio::spawn(block).await;
}

fn main() {}
