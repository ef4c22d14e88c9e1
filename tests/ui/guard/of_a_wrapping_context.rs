//! A context with a timeout around its body can't be entered with a guard.
use contextlib::{async_context, yield_resource};
use std::time::Duration;
use tokio::time::{error::Elapsed, timeout};

#[async_context]
async fn within_a_second() -> Result<(), Elapsed> {
    let _ = timeout(Duration::from_secs(1), async { yield_resource!() }).await?;
}

async fn caller() -> Result<(), Elapsed> {
    let limit = within_a_second().enter().await?;
    limit.exit().await
}

fn main() {}
