//! The same, sent to a thread.
use contextlib::async_context;

macro_rules! yield_resource {
    (@value $right:ident, $value:expr) => {
        std::thread::spawn(move || drop($right.lend($value)))
    };
}

#[async_context]
async fn number() -> u32 {
    let _ = yield_resource!(1 + 6);
}

fn main() {}
