//! The loop makes the block again after each tick.
use contextlib::{async_context, yield_resource};

async fn tick() {}

#[async_context]
async fn lease() -> u8 {
    loop {
        tokio::select! {
            exit = async { yield_resource!(1) } => {
                drop(exit);
                break;
            }
            () = tick() => println!("renewed"),
        }
    }
}

fn main() {}
