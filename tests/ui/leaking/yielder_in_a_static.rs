//! The right to yield, got hold of by a macro of the user's own, kept beyond the context.
use contextlib::{YieldOnce, async_context};
use std::sync::Mutex;

static KEPT: Mutex<Option<YieldOnce<'static, u32>>> = Mutex::new(None);

macro_rules! yield_resource {
    (@value $right:ident, $value:expr) => {
        *KEPT.lock().unwrap() = Some($right)
    };
}

#[async_context]
async fn number() -> u32 {
    yield_resource!(1 + 6);
}

fn main() {}
