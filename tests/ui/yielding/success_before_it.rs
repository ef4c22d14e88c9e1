//! There is nothing to lend, and so it returns early; the caller waits for something.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn lock(name: Option<String>) -> io::Result<String> {
    let Some(mut name) = name else {
        return Ok(());
    };
    let _ = yield_resource!(name);
    println!("{name} is free");
}

#[async_context]
async fn span(enabled: bool) -> u32 {
    if !enabled {
        return;
    }
    let mut depth = 1;
    let _ = yield_resource!(depth);
    println!("{depth}");
}

fn main() {}
