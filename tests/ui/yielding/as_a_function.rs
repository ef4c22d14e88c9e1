//! The macro without its exclamation mark.
use contextlib::async_context;

#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource(connection);
}

fn main() {}
