//! A borrow that the signature doesn't show: the caller's type has it.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn closing<T: Send>(mut resource: T) -> T {
    let _ = yield_resource!(resource);
}

fn main() {}
