//! A fixture and its test in one.
use contextlib::{async_context, yield_resource};

#[async_context]
#[tokio::test]
async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
}

fn main() {}
