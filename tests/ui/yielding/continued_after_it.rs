//! The `continue` reaches the yield again.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection(urls: Vec<String>) -> String {
    for mut url in urls {
        if yield_resource!(url).is_failed() {
            continue;
        }
        break;
    }
}

#[async_context]
async fn attempts() -> u32 {
    let mut attempts = 0;
    while yield_resource!(attempts).is_failed() {
        attempts += 1;
    }
}

fn main() {}
