//! A body that isn't `Send` in `with`.
use contextlib::{async_context, yield_resource};
use std::{convert::Infallible, rc::Rc};

#[async_context]
async fn number() -> u32 {
    let _ = yield_resource!(7);
}

async fn caller() {
    let shared = Rc::new(1);
    let _ = number()
        .with(async |number| -> Result<u32, Infallible> { Ok(*number + *shared) })
        .await;
}

fn main() {}
