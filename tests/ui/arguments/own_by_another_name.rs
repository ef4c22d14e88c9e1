//! Names that `own` can't give, and pairs as in a struct.
use contextlib::{async_context, yield_resource};
use std::sync::Arc;

struct Store {
    name: String,
}

impl Store {
    #[async_context(own(self = self.clone()))]
    async fn shared(self: &Arc<Self>) -> usize {
        let _ = yield_resource!(1);
    }

    #[async_context(own(name: self.name.clone()))]
    async fn as_in_a_struct(&self) -> String {
        let _ = yield_resource!(name);
    }

    #[async_context(own(_ = self.name.clone()))]
    async fn unnamed(&self) -> usize {
        let _ = yield_resource!(1);
    }
}

fn main() {}
