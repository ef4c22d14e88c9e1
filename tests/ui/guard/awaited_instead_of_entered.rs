//! A context awaited as if it were still an `async fn`.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let connection = connection().await;
}

fn main() {}
