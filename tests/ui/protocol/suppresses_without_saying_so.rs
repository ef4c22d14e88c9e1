//! A struct whose kind isn't suppressing can't suppress.
use contextlib::{AsyncContextManager, Exit, kind::Infallible, kind::Never};

struct Forgiving;

impl AsyncContextManager for Forgiving {
    type Resource = ();
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<(), Never> {
        Ok(())
    }

    async fn exit(&mut self, (): (), exit: Exit<'_>) -> Result<(), Never> {
        exit.suppress();
        Ok(())
    }
}

fn main() {}
