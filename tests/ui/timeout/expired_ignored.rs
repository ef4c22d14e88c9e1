//! Asking whether it has expired, and not looking.
#![deny(unused_must_use)]
use contextlib::contexts::move_on_after;
use std::{convert::Infallible, time::Duration};

async fn bounded() {
    let limit = move_on_after(Duration::from_secs(1));
    let timeout = limit.timeout();
    let Ok(_) = limit.with(async |_| -> Result<(), Infallible> { Ok(()) }).await;
    timeout.expired();
}

fn main() {
    drop(bounded());
}
