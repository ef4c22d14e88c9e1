//! `own` of something that is a borrow itself.
use contextlib::{async_context, yield_resource};

struct Store {
    name: String,
}

impl Store {
    #[async_context(own(name = self.name.as_str()))]
    async fn lease(&self) -> String {
        let _ = yield_resource!(name.to_owned());
    }
}

fn main() {}
