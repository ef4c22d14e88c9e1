//! Python: `TypeError: Can't instantiate abstract class … with abstract method __aexit__`.
use contextlib::{AsyncContextManager, kind::Infallible, kind::Never};

struct MissingAexit;

impl AsyncContextManager for MissingAexit {
    type Resource = ();
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<(), Never> {
        Ok(())
    }
}

fn main() {}
