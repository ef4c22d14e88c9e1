//! A copy of what is to be changed would be changed in its place: there is nothing to own.
use contextlib::{async_context, yield_resource};

struct Counter {
    count: u32,
}

impl Counter {
    #[async_context]
    async fn counted(&mut self) -> u32 {
        let _ = yield_resource!(self.count);
        self.count += 1;
    }
}

fn main() {}
