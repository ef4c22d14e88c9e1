//! The attribute on the whole `impl`.
use contextlib::{async_context, yield_resource};

struct Store;

#[async_context]
impl Store {
    async fn lease(self) -> u32 {
        let _ = yield_resource!(7);
    }
}

fn main() {}
