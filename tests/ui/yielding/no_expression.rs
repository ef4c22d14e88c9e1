//! What stands where a variable is declared, or an argument named; several things at a time.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn declared() -> String {
    let connection = String::from("open");
    let _ = yield_resource!(mut connection);
}

#[async_context]
async fn declared_there() -> String {
    let _ = yield_resource!(let connection = String::from("open"));
}

#[async_context]
async fn named() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(resource: connection);
}

#[async_context]
async fn one_after_the_other() -> (u8, u8) {
    let _ = yield_resource!(1; 2);
}

fn main() {}
