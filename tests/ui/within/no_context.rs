//! No context at all.
use contextlib::within;

#[within]
async fn handler() {}

fn main() {}
