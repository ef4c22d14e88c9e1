//! Std's `Infallible` is the error of such a context, and not its kind.
use contextlib::{AsyncContextManager, Exit};
use std::convert::Infallible;

struct Database;

impl AsyncContextManager for Database {
    type Resource = u32;
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<u32, Infallible> {
        Ok(1)
    }

    async fn exit(&mut self, _: u32, _: Exit<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}

fn main() {}
