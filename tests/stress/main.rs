//! Contexts on real threads, by the thousand: entered, failing, panicking, timing out, aborted, handed over from task to task, on several runtimes and in `LocalSet`s, and shut
//! down with their runtime.
//!
//! What is done follows from a seed; how the threads take turns doesn't, nor what comes of that: which guard a task is given, where a future is when
//! its task is aborted. What has to hold whatever happens:
//!
//! - every context that was set up is torn down, once; only where a runtime is shut down a teardown may be lost, and is reported then;
//! - a teardown begins when everything inside its context is over (`order.rs`);
//! - `drain` returns when what was pending is over;
//! - nothing hangs: each round is over in a minute;
//! - nothing is left: no future, no frame, no rollback, no lane.
//!
//! `ROUNDS=20000 cargo test --release -p contextlib-tests --test stress` does more of it, and with `SEED=20001` something else. What fails says how to do the same again.
#![forbid(unsafe_code)]

mod contexts;
mod locals;
mod order;
mod pool;
mod record;
mod runtimes;
mod shutdowns;
mod tasks;
mod wanderers;
mod watch;

use tokio::runtime::{Builder, Runtime};

fn multi_thread(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(threads).enable_all();
    builder.build().expect("threads can be started")
}

fn current_thread() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .expect("there is nothing to be started")
}
