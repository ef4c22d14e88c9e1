//! The resource borrows: a background task couldn't hold it.
use contextlib::{async_context, yield_resource};

struct Lease<'s>(&'s str);

#[async_context]
async fn lease<'s>(store: String) -> Lease<'s> {
    println!("{store}");
    let _ = yield_resource!(Lease("static"));
}

fn main() {}
