//! The resource put into a variable outside of the body.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    let mut kept = None;
    connection().run(async |connection| kept = Some(connection)).await;
    println!("{kept:?}");
}

fn main() {}
