//! Which of two policies is to hold isn't known.
use contextlib::{IntoContextManager, async_context, combine, policy, yield_resource};

#[async_context(on_cancel = spawn_local)]
async fn local() {
    let _ = yield_resource!();
}

#[async_context(on_cancel = block)]
async fn blocking() {
    let _ = yield_resource!();
}

async fn both() {
    combine((local(), blocking())).on_cancel::<policy::Block>().run(async |_| ()).await;
    (local(), blocking()).run(async |_| ()).await;
}

fn main() {
    drop(both());
}
