//! The error itself as the kind.
use contextlib::{AsyncContextManager, Exit};
use std::io;

struct Database;

impl AsyncContextManager for Database {
    type Resource = ();
    type Kind = io::Error;

    async fn enter(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn exit(&mut self, _: (), _: Exit<'_>) -> io::Result<()> {
        Ok(())
    }
}

fn main() {}
