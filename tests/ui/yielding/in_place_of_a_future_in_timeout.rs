//! A yield as what `timeout` is to poll.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn lease() -> Result<String, tokio::time::error::Elapsed> {
    let mut lease = String::from("lease");
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), yield_resource!(lease)).await?;
}

fn main() {}
