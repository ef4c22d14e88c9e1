//! The standard library's clock instead of tokio's.
use contextlib::contexts::{Elapsed, timeout_at};
use std::time::{Duration, Instant};

async fn bounded() -> Result<(), Elapsed> {
    timeout_at(Instant::now() + Duration::from_secs(1)).with(async |_| Ok(())).await
}

fn main() {
    drop(bounded());
}
