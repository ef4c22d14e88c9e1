//! A context that is called and not entered.
#![deny(unused_must_use)]
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    connection();
}

fn main() {}
