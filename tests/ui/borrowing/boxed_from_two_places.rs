//! A boxed context has one lifetime, and two to choose from.
use contextlib::{async_context, yield_resource};

struct Store;

impl Store {
    #[async_context(boxed, on_cancel = drop)]
    async fn lease(&self, name: &str) -> String {
        let _ = yield_resource!(name.to_owned());
    }
}

fn main() {}
