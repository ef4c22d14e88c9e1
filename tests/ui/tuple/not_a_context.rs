//! A context function that wasn't called.
use contextlib::{IntoContextManager, async_context, null_context, yield_resource};

#[async_context]
async fn database() {
    let _ = yield_resource!();
}

async fn both() {
    (null_context(1), database).run(async |_| ()).await;
}

fn main() {
    drop(both());
}
