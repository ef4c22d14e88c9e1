//! A retry loop around the yield.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    for attempt in 0..3 {
        let mut connection = format!("attempt {attempt}");
        if yield_resource!(connection).is_completed() {
            break;
        }
    }
}

fn main() {}
