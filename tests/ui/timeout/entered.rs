//! A timeout drives its body, so it has no guard.
use std::time::Duration;

async fn late() {
    let _guard = contextlib::timeout(Duration::from_secs(1)).enter().await;
}

fn main() {
    drop(late());
}
