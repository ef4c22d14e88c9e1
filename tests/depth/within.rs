//! Functions that await one another, each `#[within]` a context.
use contextlib::{async_context, within, yield_resource};
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
        #[within(number = one_more(than))]
        async fn $outer(than: u32, number: &mut u32) -> Result<u32, fmt::Error> {
            $inner(*number).await
        }
        nested!($inner $($further)*);
    };
}

#[tokio::main]
async fn main() {
    nested!(a b c d e f g h i j k l m last);
    let task = tokio::spawn(a(0));
    assert_eq!(task.await.expect("it doesn't panic"), Ok(13));
}
