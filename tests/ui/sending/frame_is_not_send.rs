//! Something of the setup isn't `Send`, and is alive at the yield.
use contextlib::{async_context, yield_resource};
use std::rc::Rc;

#[async_context]
async fn counted() -> u32 {
    let counter = Rc::new(1);
    let _ = yield_resource!(7);
    drop(counter);
}

fn main() {}
