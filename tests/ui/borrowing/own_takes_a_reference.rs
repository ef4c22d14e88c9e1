//! `own` of what the call lends, as it is.
use contextlib::{async_context, yield_resource};

#[derive(Clone)]
struct Pool;

#[async_context(own(pool = pool))]
async fn connection(pool: &Pool) -> u32 {
    drop(pool);
    let _ = yield_resource!(1);
}

#[async_context(own(label = name))]
async fn labelled(name: &str) -> u32 {
    drop(label);
    let _ = yield_resource!(1);
}

impl Pool {
    #[async_context(own(pool = self))]
    async fn lease(&self) -> u32 {
        drop(pool);
        let _ = yield_resource!(1);
    }
}

fn main() {}
