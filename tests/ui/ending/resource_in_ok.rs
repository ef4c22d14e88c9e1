//! `Ok(resource)` at the end, as one ends a normal function.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    Ok(connection)
}

fn main() {}
