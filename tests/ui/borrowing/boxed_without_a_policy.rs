//! A boxed method that borrows itself, for a trait whose contexts own what they need.
use contextlib::{BoxContextManager, async_context, yield_resource};
use std::io;

trait Pool {
    fn transaction(&self) -> BoxContextManager<'static, String, io::Error>;
}

struct Memory(String);

impl Pool for Memory {
    #[async_context(boxed)]
    async fn transaction(&self) -> Result<String, io::Error> {
        let _ = yield_resource!(self.0.clone());
    }
}

fn main() {}
