//! A body that returns a plain value, in a context that can't fail: that is `run`.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let length = connection().with(async |connection| connection.len()).await;
}

fn main() {}
