//! Functions that await one another in `#[within]`.
use contextlib::within;
use shared::one_more;
use std::fmt;

#[path = "shared/nested.rs"]
#[macro_use]
mod shared;

macro_rules! function {
    ($outer:ident $inner:ident) => {
        #[within(number = one_more(than))]
        async fn $outer(than: u32, number: &mut u32) -> Result<u32, fmt::Error> {
            $inner(*number).await
        }
    };
}

count!(a b c d e f g h i j k l m last);
