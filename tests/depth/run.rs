//! Functions that await one another in `run`.
use contextlib::{async_context, yield_resource};
use std::fmt;

#[async_context]
async fn one_more(than: u32) -> u32 {
    let mut number = than + 1;
    let _ = yield_resource!(number);
}

macro_rules! nested {
    ($last:ident) => {
        async fn $last(number: u32) -> Result<u32, fmt::Error> {
            Ok(number)
        }
    };
    // The outermost is the first: the compiler keeps what it knows of the inner ones.
    ($outer:ident $inner:ident $($further:ident)*) => {
        async fn $outer(number: u32) -> Result<u32, fmt::Error> {
            one_more(number)
                .run(async |number| $inner(*number).await)
                .await
        }
        nested!($inner $($further)*);
    };
}

#[tokio::main]
async fn main() {
    nested!(a b c d e f g h last);
    let task = tokio::spawn(a(0));
    assert_eq!(task.await.expect("it doesn't panic"), Ok(8));
}
