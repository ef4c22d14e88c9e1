//! The kinds of runtime that contexts are cancelled on.

use tokio::runtime::{Builder, Runtime};

pub(crate) fn multi_thread(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) fn two_threads() -> Runtime {
    multi_thread(2)
}

pub(crate) fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
