//! The same with `async move`.
use contextlib::{async_context, yield_resource};
use std::time::Duration;
use tokio::time::{error::Elapsed, timeout};

#[async_context]
async fn connection() -> Result<String, Elapsed> {
    let mut connection = String::from("open");
    let exit = timeout(Duration::from_secs(1), async move { yield_resource!(connection) }).await?;
    println!("{exit:?}: {connection}");
}

fn main() {}
