//! The transaction around this would be committed, however the caller's body ends.
use contextlib::{async_context, yield_resource};
use std::io;

#[async_context]
async fn transaction() -> io::Result<Vec<u32>> {
    let mut rows = Vec::new();
    if yield_resource!(rows).is_completed() {
        println!("committed");
    }
}

#[async_context]
async fn row() -> io::Result<u32> {
    transaction()
        .with(async |rows| -> io::Result<()> {
            rows.push(1);
            let _ = yield_resource!(rows[0]);
            Ok(())
        })
        .await?;
}

fn main() {}
