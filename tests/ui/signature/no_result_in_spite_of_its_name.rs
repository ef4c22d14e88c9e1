//! A type whose name ends in `Result`, and that is none.
use contextlib::{async_context, yield_resource};

struct QueryResult;

#[async_context]
async fn queried() -> QueryResult {
    let _ = yield_resource!(QueryResult);
}

fn main() {}
