//! A body without the resource.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn caller() {
    connection().run(async || println!("inside")).await;
}

fn main() {}
