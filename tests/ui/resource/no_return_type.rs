//! A return type is missing, so the context yields a `()`: said once.
use contextlib::{async_context, yield_resource};

struct Transaction;

#[async_context]
async fn transaction() {
    let mut transaction = Transaction;
    let _ = yield_resource!(transaction);
}

async fn begin() -> Transaction {
    Transaction
}

#[async_context]
async fn begun() {
    let mut transaction = begin().await;
    let _ = yield_resource!(transaction);
}

#[async_context]
async fn nothing_given() -> Transaction {
    let _ = yield_resource!();
}

fn main() {}
