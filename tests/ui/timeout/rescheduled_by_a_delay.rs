//! A timeout is moved to a point in time, as in Python.
use contextlib::contexts::{Elapsed, timeout};
use std::time::Duration;

async fn bounded() -> Result<(), Elapsed> {
    timeout(Duration::from_secs(1))
        .with(async |timeout| -> Result<(), Elapsed> {
            let _ = timeout.reschedule(Duration::from_secs(2));
            Ok(())
        })
        .await
}

fn main() {
    drop(bounded());
}
