//! A normal function that has been given the attribute.
use contextlib::async_context;
use std::io;

#[async_context]
async fn connection() -> Result<String, io::Error> {
    let connection = String::from("open");
    Ok(connection)
}

fn main() {}
