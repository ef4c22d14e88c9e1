//! The variable has moved into the block, and `select!` makes that first.
use contextlib::{async_context, yield_resource};
use std::future::pending;

#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    tokio::select! {
        exit = async { yield_resource!(connection) } => println!("{connection}: {exit:?}"),
        () = pending() => {}
    }
}

fn main() {}
