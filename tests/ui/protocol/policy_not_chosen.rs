//! What `protocol` returns, used before its policy is chosen.
use contextlib::{AsyncContextManager, Exit, async_with, kind::Infallible, kind::Never, protocol};

struct Indent<'a>(&'a mut usize);

impl AsyncContextManager for Indent<'_> {
    type Resource = ();
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<(), Never> {
        *self.0 += 1;
        Ok(())
    }

    async fn exit(&mut self, _: (), _: Exit<'_>) -> Result<(), Never> {
        *self.0 -= 1;
        Ok(())
    }
}

async fn caller(depth: &mut usize) -> Result<(), Never> {
    async_with!(_ = protocol(Indent(depth)), async { Ok(()) }).await
}

fn main() {}
