//! Two arguments and a field are borrowed, and all of them may be owned.
use contextlib::{async_context, yield_resource};

struct Store {
    shelf: String,
}

impl Store {
    #[async_context]
    async fn lease(&self, name: &str, labels: &[String]) -> String {
        let mut lease = format!("{name} on {}", self.shelf);
        let _ = yield_resource!(lease);
        println!("{}", labels.len());
    }
}

fn main() {}
