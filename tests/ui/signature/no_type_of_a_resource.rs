//! Return types that no resource can have.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn inferred() -> Vec<_> {
    let _ = yield_resource!(vec![1]);
}

#[async_context]
async fn never() -> ! {
    let _ = yield_resource!();
}

#[async_context]
async fn borrowed_from_nothing() -> &str {
    let _ = yield_resource!("text");
}

#[async_context]
async fn object() -> dyn std::fmt::Debug {
    let _ = yield_resource!(1);
}

#[async_context]
async fn bytes() -> Result<[u8], io::Error> {
    let _ = yield_resource!([1, 2]);
}

#[async_context]
async fn boxed() -> io::Result<contextlib::BoxContextManager<'static, u8, io::Error>> {
    let _ = yield_resource!(1);
}

#[async_context]
async fn context() -> impl contextlib::AsyncContext<Resource = u8> {
    let _ = yield_resource!(1);
}

fn main() {}
