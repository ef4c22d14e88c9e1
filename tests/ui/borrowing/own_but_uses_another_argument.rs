//! An argument that borrows and isn't owned.
use contextlib::{async_context, yield_resource};

#[async_context(own(name = name.to_owned()))]
async fn lease(name: &str, label: &str) -> String {
    println!("{label}");
    let _ = yield_resource!(name.clone());
}

fn main() {}
