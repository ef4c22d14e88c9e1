//! The teardown lends it to a function; and what rustc proposes of a moved variable.
use contextlib::{async_context, yield_resource};

async fn release(_: &str) {}

#[async_context]
async fn lease() -> String {
    let mut lease = String::from("mine");
    let _ = tokio::select! {
        exit = async { yield_resource!(lease) } => exit,
        () = std::future::pending() => return,
    };
    release(&lease).await;
}

#[async_context]
async fn as_rustc_says() -> String {
    let mut lease = String::from("mine");
    let _ = tokio::select! {
        exit = async { yield_resource!(ref lease) } => exit,
        () = std::future::pending() => return,
    };
    release(&lease).await;
}

fn main() {}
