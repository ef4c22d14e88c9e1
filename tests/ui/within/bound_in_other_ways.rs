//! A context has its name before a `=`, and stands there as an expression.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn number() -> u32 {
    let _ = yield_resource!(1);
}

#[within(n: number())]
async fn by_a_colon(n: &mut u32) -> u32 {
    *n
}

#[within(let n = number())]
async fn by_let(n: &mut u32) -> u32 {
    *n
}

#[within("number()")]
async fn in_quotes() {}

#[within(on_cancel = drop, number())]
async fn with_a_policy() {}

fn main() {}
