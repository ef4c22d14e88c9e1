//! Two yields, one after the other.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
    connection.push_str(", again");
    let _ = yield_resource!(connection);
}

fn main() {}
