//! The attribute doesn't look into other macros, nor under other names.
use contextlib::async_context;

macro_rules! give {
    ($value:expr) => {
        contextlib::yield_resource!($value)
    };
}

#[async_context]
async fn number() -> u32 {
    let mut number = 1;
    let _ = give!(number);
}

mod renamed {
    use contextlib::{async_context, yield_resource as give_resource};

    #[async_context]
    async fn number() -> u32 {
        let mut number = 1;
        let _ = give_resource!(number);
    }
}

fn main() {}
