//! The name of the macro has a letter too many.
#![allow(unused_imports, reason = "which would be said too")]
use contextlib::{async_context, yield_resource};

#[async_context]
async fn number() -> u8 {
    let _ = yield_ressource!(3);
}

fn main() {}
