//! `move` without what is moved, and with more than that.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn nothing() -> String {
    let connection = String::from("open");
    let (connection, _) = yield_resource!(move);
    drop(connection);
}

#[async_context]
async fn several() -> (u8, u8) {
    let (one, two) = (1, 2);
    let _ = yield_resource!(move one, two);
}

#[async_context]
async fn declared() -> String {
    let connection = String::from("open");
    let _ = yield_resource!(move mut connection);
}

fn main() {}
