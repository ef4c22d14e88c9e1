//! A lock of the standard library that is held while the body runs.
use contextlib::{async_context, yield_resource};
use std::sync::{Arc, Mutex};

#[async_context]
async fn exclusive(state: Arc<Mutex<u32>>) {
    let held = state.lock().unwrap();
    let _ = yield_resource!();
    drop(held);
}

fn main() {}
