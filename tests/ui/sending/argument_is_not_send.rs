//! An argument isn't `Send`.
use contextlib::{async_context, yield_resource};
use std::rc::Rc;

#[async_context]
async fn counted(counter: Rc<u32>) -> u32 {
    let _ = yield_resource!(7);
    drop(counter);
}

fn main() {}
