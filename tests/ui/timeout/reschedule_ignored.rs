//! A deadline that can't be moved any more is an error to look at.
#![deny(unused_must_use)]
use contextlib::contexts::{Elapsed, timeout};
use std::time::Duration;

async fn bounded() -> Result<(), Elapsed> {
    timeout(Duration::from_secs(1))
        .with(async |timeout| -> Result<(), Elapsed> {
            timeout.reschedule(None);
            Ok(())
        })
        .await
}

fn main() {
    drop(bounded());
}
