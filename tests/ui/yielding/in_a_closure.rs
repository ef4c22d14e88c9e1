//! The yield in a closure that isn't `async`.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let hand_out = || {
        let _ = yield_resource!(String::from("open"));
    };
    hand_out();
}

fn main() {}
