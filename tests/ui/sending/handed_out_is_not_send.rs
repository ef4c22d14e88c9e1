//! A resource that isn't `Send`, in styles whose futures are.
use contextlib::{async_context, yield_resource};
use std::{io, rc::Rc};

#[async_context(on_cancel = spawn_local)]
async fn shared() -> Rc<u32> {
    let mut shared = Rc::new(1);
    let _ = yield_resource!(shared);
}

async fn runs() -> u32 {
    shared().run(async |shared| **shared).await
}

async fn returns() -> io::Result<u32> {
    shared().with(async |shared| Ok(**shared)).await
}

fn main() {}
