//! The same, used twice.
use contextlib::async_context;

macro_rules! yield_resource {
    (@value $right:ident, $value:expr) => {{
        let _ = $right.lend($value).await;
        let _ = $right.lend($value).await;
    }};
}

#[async_context]
async fn number() -> u32 {
    yield_resource!(1 + 6);
}

fn main() {}
