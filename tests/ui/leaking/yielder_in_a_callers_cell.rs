//! The same, kept in the caller's variable.
use contextlib::{YieldOnce, async_context};

macro_rules! yield_resource {
    (@value $right:ident, $kept:expr) => {
        *$kept = Some($right)
    };
}

#[async_context(on_cancel = drop)]
async fn number<'a>(kept: &'a mut Option<YieldOnce<'a, u32>>) -> u32 {
    yield_resource!({ kept });
}

fn main() {}
