//! Functions that await one another in `with`.
use shared::one_more;
use std::fmt;

#[path = "shared/nested.rs"]
#[macro_use]
mod shared;

macro_rules! function {
    ($outer:ident $inner:ident) => {
        async fn $outer(number: u32) -> Result<u32, fmt::Error> {
            one_more(number)
                .with(async |number| $inner(*number).await)
                .await
        }
    };
}

count!(a b c d e f g h last);
