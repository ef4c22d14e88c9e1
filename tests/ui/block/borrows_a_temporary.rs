//! A context that borrows from a value without a name, without a `&`.
use contextlib::{async_context, async_with, yield_resource};

#[async_context(on_cancel = drop)]
async fn lent(name: &str) -> usize {
    let _ = yield_resource!(name.len());
}

async fn caller(number: u32) {
    async_with!(length = lent(number.to_string().as_str()), async { Ok::<usize, std::fmt::Error>(*length) }).await.unwrap();
}

fn main() {}
