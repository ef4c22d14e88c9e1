//! `setup = finish` where no background task could finish it.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = block, setup = finish)]
async fn connection() {
    let _ = yield_resource!();
}

fn main() {}
