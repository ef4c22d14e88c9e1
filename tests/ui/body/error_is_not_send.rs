//! The body's error isn't `Send`.
use contextlib::{async_context, yield_resource};
use std::rc::Rc;

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("7"));
}

async fn caller() {
    let _ = connection()
        .with(async |_| -> Result<u32, Rc<str>> { Err("refused".into()) })
        .await;
}

fn main() {}
