//! A policy that a macro passes on as a type is one all the same; what isn't one is named.
use contextlib::{async_context, yield_resource};

macro_rules! context {
    ($name:ident, $policy:ty) => {
        #[async_context(on_cancel = $policy)]
        async fn $name() -> u32 {
            let _ = yield_resource!(1);
        }
    };
}

context!(dropped, drop);
context!(local, spawn_blocking);
context!(blocking, Block);

fn main() {}
