//! A context that borrows, though its teardown may have to outlive the borrow.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn locked(name: &str) -> String {
    let _ = yield_resource!(name.to_owned());
    println!("unlock {name}");
}

fn main() {}
