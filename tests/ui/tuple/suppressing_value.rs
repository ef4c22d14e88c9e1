//! One context that suppresses makes the value an `Option`.
use contextlib::{IntoContextManager, null_context, suppress};
use std::io;

async fn both() -> io::Result<u8> {
    (null_context(1), suppress::<io::Error>())
        .with(async |_| -> io::Result<u8> { Ok(1) })
        .await
}

fn main() {
    drop(both());
}
