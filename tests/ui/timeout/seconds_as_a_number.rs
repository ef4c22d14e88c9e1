//! Seconds as a number, as in Python.
use contextlib::contexts::{Elapsed, timeout};

async fn bounded() -> Result<(), Elapsed> {
    timeout(5).with(async |_| Ok(())).await
}

fn main() {
    drop(bounded());
}
