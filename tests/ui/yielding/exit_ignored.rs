//! A teardown that commits without looking at how the body ended.
#![deny(unused_must_use)]
use contextlib::{async_context, yield_resource};

#[async_context]
async fn transaction() -> String {
    let mut transaction = String::from("BEGIN");
    yield_resource!(transaction);
    transaction.push_str("; COMMIT");
}

fn main() {}
