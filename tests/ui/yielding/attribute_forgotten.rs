//! A context function without the attribute.
use contextlib::yield_resource;

async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    connection
}

fn main() {}
