//! The future as the second argument, as of `tokio::time::timeout`.
use contextlib::contexts::{Elapsed, timeout};
use std::time::Duration;

async fn bounded() -> Result<(), Elapsed> {
    timeout(Duration::from_secs(1), async {}).await
}

fn main() {
    drop(bounded());
}
