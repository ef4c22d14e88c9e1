//! How the body ended, compared.
use contextlib::{Exit, async_context, yield_resource};

#[async_context]
async fn committed() {
    if yield_resource!() == Exit::Completed {
        println!("committed");
    }
}

#[async_context]
async fn rolled_back() {
    let is_well = yield_resource!() != contextlib::Exit::Cancelled;
    println!("{is_well}");
}

fn main() {}
