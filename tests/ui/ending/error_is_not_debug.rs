//! An error that can't be printed when nobody is left to take it.
use contextlib::{async_context, yield_resource};

struct Refused;

#[async_context]
async fn connection() -> Result<String, Refused> {
    let mut connection = String::from("open");
    let _ = yield_resource!(connection);
}

fn main() {}
