//! Functions that await one another in `async_with!`.
use contextlib::async_with;
use shared::one_more;
use std::fmt;

#[path = "shared/nested.rs"]
#[macro_use]
mod shared;

macro_rules! function {
    ($outer:ident $inner:ident) => {
        async fn $outer(number: u32) -> Result<u32, fmt::Error> {
            async_with!(
                number = one_more(number),
                async || -> Result<u32, fmt::Error> { $inner(*number).await }
            )
            .await
        }
    };
}

count!(a b c d e f g h i last);
