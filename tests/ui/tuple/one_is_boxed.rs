//! The policy of a boxed context is inside it: a tuple, which has one for all, doesn't see it.
use contextlib::{IntoContextManager, async_context, async_with, combine, policy, yield_resource};
use std::convert::Infallible;

#[async_context]
async fn plain() {
    let _ = yield_resource!();
}

#[async_context(boxed, setup = finish)]
async fn boxed() {
    let _ = yield_resource!();
}

async fn both() {
    let Ok(()) = async_with!(_ = plain(), _ = boxed(), async || Ok::<_, Infallible>(())).await;
    combine((plain(), boxed())).on_cancel::<policy::FinishSetup>().run(async |_| ()).await;
    (plain(), boxed()).run(async |_| ()).await;
}

fn main() {
    drop(both());
}
