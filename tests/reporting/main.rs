//! What contexts say of themselves: the report hook, spans and events. All of it is the process's, so these tests take turns.
#![forbid(unsafe_code)]

mod events;
mod hook;
mod on_runtime;
mod spans;

use contextlib::{async_context, take_report_hook, yield_resource};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken(pub(crate) &'static str);

/// A context whose teardown does what it is told to.
#[async_context]
pub(crate) async fn ends(how: How) -> Result<(), Broken> {
    tracing::info!("setup");
    let _ = yield_resource!();
    tokio::task::yield_now().await;
    tracing::info!("teardown");
    match how {
        How::Well => {}
        How::Failing => return Err(Broken("teardown")),
        How::Panicking => panic!("teardown panics"),
    }
}

#[derive(Clone, Copy)]
pub(crate) enum How {
    Well,
    Failing,
    Panicking,
}

/// One test at a time, with the default hook.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    drop(take_report_hook());
    turn
}

/// Runs a test on a runtime of its own, with a clock of its own.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}
