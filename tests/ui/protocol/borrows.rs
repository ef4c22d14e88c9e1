//! A struct that borrows, used as one that doesn't: it needs `protocol(…).on_cancel::<policy::Drop>()`.
use contextlib::{AsyncContextManager, Exit, IntoContextManager, kind::Infallible, kind::Never};

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

async fn caller() {
    let mut depth = 0;
    Indent(&mut depth).run(async |()| ()).await;
}

fn main() {}
