//! The same, of a method.
use contextlib::{async_context, yield_resource};

struct Store {
    name: String,
}

impl Store {
    #[async_context]
    async fn lease(&self) -> String {
        let _ = yield_resource!(self.name.clone());
    }
}

fn main() {}
