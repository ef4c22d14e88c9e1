//! How the body ended, sent to a task.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn recorded() {
    let exit = yield_resource!();
    tokio::spawn(async move { println!("{exit:?}") });
}

fn main() {}
