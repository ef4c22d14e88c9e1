//! `move_on_after` may end the body without a value.
use contextlib::contexts::move_on_after;
use std::{io, time::Duration};

async fn bounded() -> io::Result<u32> {
    move_on_after(Duration::from_secs(1)).with(async |_| Ok(7)).await
}

fn main() {
    drop(bounded());
}
