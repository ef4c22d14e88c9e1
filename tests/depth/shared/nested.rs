//! What the functions have in common, in whatever style they use their context.

use contextlib::{async_context, yield_resource};

#[async_context]
pub async fn one_more(than: u32) -> u32 {
    let mut number = than + 1;
    let _ = yield_resource!(number);
}

/// Writes a row of functions, each but the last with `function!`, and has a task await the first. They count how many they are.
macro_rules! count {
    ($first:ident $($further:ident)*) => {
        #[tokio::main]
        async fn main() {
            count!(@functions $first $($further)*);
            let expected = [$(stringify!($further)),*].len() as u32;
            let task = tokio::spawn($first(0));
            assert_eq!(task.await.expect("it doesn't panic"), Ok(expected));
        }
    };
    (@functions $last:ident) => {
        async fn $last(number: u32) -> Result<u32, fmt::Error> {
            Ok(number)
        }
    };
    // The outermost is the first: the compiler keeps what it knows of the inner ones.
    (@functions $outer:ident $inner:ident $($further:ident)*) => {
        function!($outer $inner);
        count!(@functions $inner $($further)*);
    };
}
