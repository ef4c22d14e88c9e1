//! What the yield evaluates to is taken for the body's result, or for whether it went well.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn condition() -> String {
    let mut text = String::new();
    if yield_resource!(text) {
        println!("{text}");
    }
}

#[async_context]
async fn is_ok() -> String {
    let mut text = String::new();
    if yield_resource!(text).is_ok() {
        println!("{text}");
    }
}

#[async_context]
async fn is_err() -> String {
    let mut text = String::new();
    if yield_resource!(text).is_err() {
        println!("{text}");
    }
}

#[async_context]
async fn unwrapped() -> String {
    yield_resource!(String::new()).unwrap();
}

#[async_context]
async fn matched() -> String {
    match yield_resource!(String::new()) {
        Ok(()) => {}
        Err(error) => println!("{error}"),
    }
}

#[async_context]
async fn if_let() -> String {
    if let Err(error) = yield_resource!(String::new()) {
        println!("{error}");
    }
}

fn main() {}
