//! A method yields itself, and goes on with it: a `self` can't be `mut`, so that it doesn't come back.
use contextlib::{async_context, yield_resource};

struct Connection(String);

impl Connection {
    #[async_context(on_cancel = drop)]
    async fn locked(&mut self) -> &mut Self {
        self.0.push('(');
        let _ = yield_resource!(self);
        self.0.push(')');
    }
}

fn main() {}
