//! A type that is no policy.
use contextlib::{async_context, yield_resource};

struct OnThread;

#[async_context(on_cancel = OnThread)]
async fn number() -> u32 {
    let _ = yield_resource!(7);
}


fn main() {}
