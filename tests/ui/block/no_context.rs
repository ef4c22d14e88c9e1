//! No context.
use contextlib::async_with;

async fn caller() {
    async_with!(async { println!("alone") }).await;
}

fn main() {}
