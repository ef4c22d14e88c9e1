//! One context that wraps its body makes the tuple so.
use contextlib::{IntoContextManager, null_context, timeout};
use std::time::Duration;

async fn both() {
    let both = (null_context(1), timeout(Duration::from_secs(1)));
    let _guard = both.enter().await;
}

fn main() {
    drop(both());
}
