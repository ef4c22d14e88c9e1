//! A function that takes any context enters it: a wrapping one couldn't be.
use contextlib::IntoContextManager;

async fn entered(context: impl IntoContextManager) {
    let _guard = context.enter().await;
}

fn main() {}
