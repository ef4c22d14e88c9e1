//! A delay where a point in time is asked for.
use contextlib::contexts::{Elapsed, timeout_at};
use std::time::Duration;

async fn bounded() -> Result<(), Elapsed> {
    timeout_at(Duration::from_secs(1)).with(async |_| Ok(())).await
}

fn main() {
    drop(bounded());
}
