//! The context's own error isn't `Send`, and so the future of `with` wouldn't be.
use contextlib::{async_context, yield_resource};
use std::error::Error;

#[async_context]
async fn number() -> Result<u32, Box<dyn Error>> {
    let _ = yield_resource!(1);
}

#[derive(Debug)]
struct Failed;

impl From<Box<dyn Error>> for Failed {
    fn from(_: Box<dyn Error>) -> Failed {
        Failed
    }
}

async fn doubled() -> Result<u32, Failed> {
    number().with(async |number| Ok(*number * 2)).await
}

fn main() {}
