//! `own` takes what the context needs, but the body still asks `self`.
use contextlib::{async_context, yield_resource};

struct Store {
    name: String,
    label: String,
}

impl Store {
    #[async_context(own(name = self.name.clone()))]
    async fn lease(&self) -> String {
        println!("{}", self.label);
        let _ = yield_resource!(name.clone());
    }
}

fn main() {}
