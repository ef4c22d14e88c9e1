//! `own` of an expression that has no name in the body.
use contextlib::{async_context, yield_resource};

struct Store {
    name: String,
}

impl Store {
    #[async_context(own(self.name.clone()))]
    async fn lease(&self) -> String {
        let _ = yield_resource!(name);
    }
}

fn main() {}
