//! The yield in a helper that isn't a context function.
use contextlib::{async_context, yield_resource};

async fn hand_out(connection: String) {
    let _ = yield_resource!(connection);
}

#[async_context]
async fn connection() {
    hand_out(String::from("open")).await;
    let _ = yield_resource!();
}

fn main() {}
