//! A context function that has entered something with its caller, and more in its own rollback, and goes on in a further rollback: what it has entered is in several lanes.

use crate::shared::{Broken, Log, closed, gated, poll_once, quick, settle};
use contextlib::{async_context, background::drain, yield_resource};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where the contexts of a test wait.
#[derive(Clone)]
struct Gates {
    /// Before something is entered in the rollback of `outermost`.
    enter: Arc<Semaphore>,
    /// Before that is torn down.
    late: Arc<Semaphore>,
    /// Before an exit is dropped, one permit for each.
    cut: Arc<Semaphore>,
    /// Before the inner context is exited.
    exit: Arc<Semaphore>,
}

impl Gates {
    fn closed() -> Self {
        Gates {
            enter: closed(),
            late: closed(),
            cut: closed(),
            exit: closed(),
        }
    }
}

async fn pass(gate: &Semaphore) {
    gate.acquire().await.unwrap().forget();
}

/// Its teardown, inside which there are some more of these, drops the exit of the next one half-way when it is told to. The innermost one enters `inner`, and then `late`, which it drops.
#[async_context]
async fn of_several(inside: usize, log: Log, gates: Gates) -> Result<(), Broken> {
    let _ = yield_resource!();
    if inside == 0 {
        let inner = quick(log.clone(), "inner").enter().await?;
        pass(&gates.enter).await;
        drop(gated(log, "late", gates.late).enter().await?);
        pass(&gates.exit).await;
        return inner.exit().await;
    }
    let next: BoxFuture<'_, Result<(), Broken>> = Box::pin(async {
        let context = of_several(inside - 1, log.clone(), gates.clone()).boxed();
        context.enter().await?.exit().await
    });
    tokio::select! {
        biased;
        () = pass(&gates.cut) => {}
        ended = next => ended?,
    }
}

/// The caller goes first; then `late` is entered and dropped, in the outermost one's rollback; then the exits are dropped one after the other, the outermost one first.
async fn inner_waits_for_late(inside: usize) {
    let (log, gates) = (Log::default(), Gates::closed());
    let outermost = of_several(inside, log.clone(), gates.clone());
    let guard = outermost.enter().await.unwrap();
    assert!(poll_once(guard.exit()).await.is_none());
    settle().await;
    gates.enter.add_permits(1);
    settle().await;
    assert_eq!(log.said(), "+inner, +late, ~late");
    for _ in 0..inside {
        gates.cut.add_permits(1);
        settle().await;
    }
    gates.exit.add_permits(1);
    settle().await;
    assert_eq!(log.said(), "+inner, +late, ~late");
    gates.late.add_permits(1);
    drain().await;
    assert_eq!(log.said(), "+inner, +late, ~late, -late, -inner Completed");
}

#[tokio::test]
async fn in_its_own_rollback() {
    inner_waits_for_late(0).await;
}

#[tokio::test]
async fn in_a_rollback_within_another_one() {
    inner_waits_for_late(1).await;
}

#[tokio::test]
async fn in_a_rollback_within_several() {
    for inside in 2..6 {
        inner_waits_for_late(inside).await;
    }
}

/// Its teardown drops an exit half-way when it is told to, and then enters `after`, which it drops.
#[async_context]
async fn goes_on(log: Log, gates: Gates, after: Arc<Semaphore>) -> Result<(), Broken> {
    let _ = yield_resource!();
    let guard = of_several(0, log.clone(), gates.clone()).enter().await?;
    tokio::select! {
        biased;
        () = pass(&gates.cut) => {}
        ended = guard.exit() => ended?,
    }
    drop(gated(log, "after", after).enter().await?);
}

/// It is beside what goes on in a rollback by then, not inside it.
#[tokio::test]
async fn inner_does_not_wait_for_what_is_entered_after_the_exit_was_dropped() {
    let (log, gates, after) = (Log::default(), Gates::closed(), closed());
    let outer = goes_on(log.clone(), gates.clone(), after.clone());
    let guard = outer.enter().await.unwrap();
    assert!(poll_once(guard.exit()).await.is_none());
    for gate in [&gates.late, &gates.enter, &gates.cut, &gates.exit] {
        gate.add_permits(1);
        settle().await;
    }
    let said = "+inner, +late, ~late, -late, +after, ~after, -inner Completed";
    assert_eq!(log.said(), said);
    after.add_permits(1);
    drain().await;
    assert_eq!(log.said(), format!("{said}, -after"));
}
