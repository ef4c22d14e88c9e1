//! While the yield is being typed, a caller is no mistake.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!
}

async fn caller() {
    connection().run(async |connection| connection.push('!')).await
}

fn main() {}
