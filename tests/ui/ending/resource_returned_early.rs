//! A `return` with the resource, before the yield and after it.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn cached(cache: Option<String>) -> io::Result<String> {
    if let Some(connection) = cache {
        return Ok(connection);
    }
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
}

#[async_context]
async fn closing() -> String {
    let mut connection = String::from("open");
    let exit = yield_resource!(connection);
    if exit.is_completed() {
        return connection;
    }
    drop(connection);
}

fn main() {}
