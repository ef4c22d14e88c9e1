//! Of a reference it isn't known which `enter` is meant: the struct's own, or the context's.
use contextlib::{
    AsyncContextManager, Exit, IntoContextManager,
    kind::{Infallible, Never},
};

struct Database;

impl AsyncContextManager for Database {
    type Resource = u32;
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<u32, Never> {
        Ok(1)
    }

    async fn exit(&mut self, _: u32, _: Exit<'_>) -> Result<(), Never> {
        Ok(())
    }
}

async fn uses(database: &mut Database) {
    let _guard = database.enter().await;
}

fn main() {}
