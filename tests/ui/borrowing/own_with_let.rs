//! `own` takes pairs and no statements.
use contextlib::{async_context, yield_resource};

struct Store {
    shelf: String,
}

impl Store {
    #[async_context(own(let shelf = self.shelf.clone()))]
    async fn lease(&self) -> String {
        let _ = yield_resource!(shelf.clone());
    }
}

fn main() {}
