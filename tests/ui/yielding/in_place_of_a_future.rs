//! A yield as an argument of `join!`, and not in an `async` block there.
use contextlib::{async_context, yield_resource};

async fn beat() {}

#[async_context]
async fn lease() -> String {
    tokio::join!(yield_resource!(String::from("lease")), beat());
}

fn main() {}
