//! A block that becomes a task, and borrows from the function around it.
use contextlib::{async_context, async_with, yield_resource};
use std::fmt::Error;

#[async_context]
async fn database() -> String {
    let _ = yield_resource!(String::new());
}

async fn caller() {
    let name = String::from("name");
    tokio::spawn(async_with!(db = database(), async {
        db.push_str(&name);
        Ok::<(), Error>(())
    }));
}

fn main() {}
