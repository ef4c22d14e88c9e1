//! The body's error can't be made from `Elapsed`.
use contextlib::contexts::timeout;
use std::{num::ParseIntError, time::Duration};

async fn bounded() -> Result<u32, ParseIntError> {
    timeout(Duration::from_secs(1)).with(async |_| "7".parse()).await
}

fn main() {
    drop(bounded());
}
