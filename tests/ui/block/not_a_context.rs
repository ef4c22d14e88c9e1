//! What isn't a context.
use contextlib::async_with;

async fn caller() {
    let _ = async_with!(numbers = vec![1, 2], async { Ok::<usize, std::fmt::Error>(numbers.len()) }).await;
}

fn main() {}
