//! A loop that a macro writes.
use contextlib::{async_context, yield_resource};

macro_rules! retry {
    ($attempt:expr) => {
        while !$attempt.is_completed() {}
    };
}

#[async_context]
async fn connection() -> String {
    retry!(yield_resource!(String::from("open")));
}

fn main() {}
