//! A context function that doesn't yield.
use contextlib::async_context;

#[async_context]
async fn connection() -> String {
    let connection = String::from("open");
    println!("{connection}");
}

fn main() {}
