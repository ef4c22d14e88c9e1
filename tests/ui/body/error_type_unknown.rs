//! `?` in a body without a return type.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("7"));
}

async fn caller() {
    let number = connection()
        .with(async |connection| {
            let number = connection.parse::<u32>()?;
            Ok(number)
        })
        .await;
}

fn main() {}
