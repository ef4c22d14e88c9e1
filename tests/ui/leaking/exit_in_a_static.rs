//! How the body ended, kept beyond the context.
use contextlib::{Exit, async_context, yield_resource};
use std::sync::Mutex;

static LAST: Mutex<Option<Exit<'static>>> = Mutex::new(None);

#[async_context]
async fn recorded() {
    let exit = yield_resource!();
    *LAST.lock().unwrap() = Some(exit);
}

fn main() {}
