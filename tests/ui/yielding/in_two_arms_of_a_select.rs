//! One of the arms runs, but the futures of both are made.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn first() -> u8 {
    tokio::select! {
        _ = async { yield_resource!(1) } => {}
        _ = async { yield_resource!(2) } => {}
    }
}

fn main() {}
