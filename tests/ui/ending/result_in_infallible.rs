//! A context whose return type has no error ends in a `Result`, or returns one.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn at_the_end() -> String {
    let mut text = String::new();
    let _ = yield_resource!(text);
    Ok(())
}

#[async_context]
async fn in_a_branch() {
    let exit = yield_resource!();
    if exit.is_completed() {
        println!("completed");
    } else {
        Err(std::io::Error::other("it isn't"))
    }
}

#[async_context]
async fn in_the_setup(name: String) -> String {
    if name.is_empty() {
        return Err(std::io::Error::other("nameless"));
    }
    let _ = yield_resource!(name.clone());
}

#[async_context]
async fn absent(name: Option<String>) -> Option<usize> {
    let Some(name) = name else { return None };
    let _ = yield_resource!(Some(name.len()));
}

fn main() {}
