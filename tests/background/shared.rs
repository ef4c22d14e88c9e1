//! Contexts that log what happens to them.

use contextlib::{BoxGuard, async_context, yield_resource};
use std::{
    fmt::{self, Debug},
    sync::{Arc, Mutex},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::yield_now,
};

/// What happened, in order. Clones write to the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, what: impl fmt::Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    /// What has been said so far, as one line.
    pub(crate) fn said(&self) -> String {
        self.0.lock().unwrap().join(", ")
    }

    /// The lines, each on its own.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken;

/// A context whose teardown takes its time, so that whatever could overtake it does: it says `+name` and, at its end, `-name`.
#[async_context]
pub(crate) async fn slow(log: Log, name: &'static str) -> Result<(), Broken> {
    log.say(format_args!("+{name}"));
    let _ = yield_resource!();
    for _ in 0..20 {
        yield_now().await;
    }
    log.say(format_args!("-{name}"));
}

/// A context whose teardown takes no time. It says how its body ended.
#[async_context]
pub(crate) async fn quick(log: Log, name: &'static str) -> Result<(), Broken> {
    log.say(format_args!("+{name}"));
    let exit = yield_resource!();
    log.say(format_args!("-{name} {exit:?}"));
}

/// A context whose teardown says `~name`, then needs a permit of `gate`.
#[async_context]
pub(crate) async fn gated(
    log: Log,
    name: &'static str,
    gate: Arc<Semaphore>,
) -> Result<(), Broken> {
    log.say(format_args!("+{name}"));
    let _ = yield_resource!();
    log.say(format_args!("~{name}"));
    gate.acquire().await.unwrap().forget();
    log.say(format_args!("-{name}"));
}

/// Holds a permit until its teardown.
#[async_context]
pub(crate) async fn giving_back(log: Log, permit: OwnedSemaphorePermit) -> Result<(), Broken> {
    log.say("+giving");
    let _ = yield_resource!();
    drop(permit);
    log.say("-giving");
}

/// A context whose teardown drops what it gets.
#[async_context]
pub(crate) async fn drops<T: Send + 'static>(things: oneshot::Receiver<T>) -> Result<(), Broken> {
    let _ = yield_resource!();
    drop(things.await);
}

pub(crate) type Inner = BoxGuard<'static, (), Broken>;

/// A context that has been entered.
pub(crate) async fn inner(log: &Log) -> Inner {
    slow(log.clone(), "inner").boxed().enter().await.unwrap()
}

/// The same, entered by another task, which hands it over.
pub(crate) async fn inner_of_a_task(log: &Log) -> Inner {
    let log = log.clone();
    let entered = tokio::spawn(async move { inner(&log).await });
    entered.await.unwrap()
}

/// A gate that is closed: nobody passes before `add_permits`.
pub(crate) fn closed() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// Lets every task of a current-thread runtime run until it waits for something.
pub(crate) async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// Polls `future` once and drops it.
pub(crate) async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
