//! The body's error can't be shown to the context.
use contextlib::{async_context, yield_resource};

struct Refused;

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("7"));
}

async fn caller() {
    let _ = connection()
        .with(async |_| -> Result<u32, Refused> { Err(Refused) })
        .await;
}

fn main() {}
