//! A trait's method leaves it to those that implement it to own what they need.
use contextlib::{async_context, yield_resource};

trait Store {
    #[async_context]
    async fn lease(&self) -> String;
}

struct Shelf {
    label: String,
}

impl Store for Shelf {
    #[async_context]
    async fn lease(&self) -> String {
        let mut lease = self.label.clone();
        let _ = yield_resource!(lease);
    }
}

fn main() {}
