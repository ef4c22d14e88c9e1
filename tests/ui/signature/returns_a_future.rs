//! Not async, but returns a future.
use contextlib::async_context;

#[async_context]
fn connection() -> impl Future<Output = String> {
    async { String::from("open") }
}

fn main() {}
