//! The body's error, put where the caller could see it after it is gone.
use contextlib::{ErrorView, async_context, yield_resource};

#[async_context(on_cancel = drop)]
async fn recorded<'a>(last: &'a mut Option<ErrorView<'a>>) {
    *last = yield_resource!().error();
}

fn main() {}
