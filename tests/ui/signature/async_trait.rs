//! `#[async_trait]` on a trait of contexts.
use async_trait::async_trait;
use contextlib::{async_context, yield_resource};

#[async_trait]
trait Leases {
    #[async_context(boxed, on_cancel = drop)]
    async fn lease(&self) -> u32 {
        let _ = yield_resource!(7);
    }
}

fn main() {}
