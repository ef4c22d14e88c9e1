//! Python: `RuntimeError: Timeout has already been entered`.
use contextlib::contexts::{Elapsed, timeout};
use std::time::Duration;

async fn twice() -> Result<(), Elapsed> {
    let timeout = timeout(Duration::from_secs(1));
    timeout.with(async |_| -> Result<(), Elapsed> { Ok(()) }).await?;
    timeout.with(async |_| -> Result<(), Elapsed> { Ok(()) }).await
}

fn main() {
    drop(twice());
}
