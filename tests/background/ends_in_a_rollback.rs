//! Contexts that one task has entered and that end in a rollback, of a context that was entered after them. What they wait for there must not wait for that rollback; but what was
//! entered after its context doesn't, whatever it is inside.

use crate::shared::{
    Broken, Inner, Log, closed, drops, gated, inner, inner_of_a_task, poll_once, quick, settle,
    slow,
};
use contextlib::{
    async_context,
    background::{drain, lane},
    null_context, yield_resource,
};
use futures::future::{BoxFuture, Either, select};
use std::{future::pending, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, oneshot},
    task::yield_now,
    time::timeout,
};

/// Its teardown runs the future that it gets.
#[async_context]
async fn goes_on(futures: oneshot::Receiver<BoxFuture<'static, ()>>) {
    let _ = yield_resource!();
    if let Ok(future) = futures.await {
        future.await;
    }
}

/// Enters an outer context, with that body, then another one, does what is `between`, and has the rollback of the second one go on with the first one's body.
async fn ends_in_a_rollback<B: Future<Output = Result<(), Broken>> + Send + 'static>(
    log: &Log,
    body: B,
    between: impl AsyncFnOnce(&mut BoxFuture<'static, ()>),
) {
    let outer = quick(log.clone(), "outer").with(async |_| body.await);
    let mut outer: BoxFuture<'_, ()> = Box::pin(async { outer.await.unwrap() });
    assert!(poll_once(outer.as_mut()).await.is_none());
    let (give, futures) = oneshot::channel();
    let Ok(second) = goes_on(futures).enter().await;
    between(&mut outer).await;
    assert!(give.send(outer).is_ok());
    drop(second);
}

/// Within a context whose teardown drops what it gets.
async fn within_what_drops(
    things: oneshot::Receiver<Inner>,
    gate: Arc<Semaphore>,
) -> Result<(), Broken> {
    let waits = async |_: &mut ()| {
        gate.acquire().await.unwrap().forget();
        Ok(())
    };
    drops(things).with(waits).await
}

#[tokio::test]
async fn waits_for_what_an_inner_teardown_has_dropped() {
    for of_another_task in [false, true] {
        let (log, gate) = (Log::default(), closed());
        let (give, things) = oneshot::channel();
        let body = within_what_drops(things, gate.clone());
        ends_in_a_rollback(&log, body, async |_| {
            let inner = match of_another_task {
                true => inner_of_a_task(&log).await,
                false => inner(&log).await,
            };
            assert!(give.send(inner).is_ok());
            gate.add_permits(1);
        })
        .await;
        drain().await;
        assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
    }
}

/// It was left there twice.
#[tokio::test]
async fn also_if_the_inner_context_was_in_a_lane_of_its_own() {
    let (log, gate) = (Log::default(), closed());
    let (give, things) = oneshot::channel();
    let body = lane(lane(within_what_drops(things, gate.clone())));
    ends_in_a_rollback(&log, body, async |_| {
        assert!(give.send(inner_of_a_task(&log).await).is_ok());
        gate.add_permits(1);
    })
    .await;
    drain().await;
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
}

/// That one was entered before the rollback's context, and may wait for it.
#[tokio::test]
async fn waits_for_what_is_inside_of_another_rollback_and_not_for_that() {
    let (log, enters, gate, stuck) = (Log::default(), closed(), closed(), closed());
    let body = {
        let (log, enters, gate, stuck) = (log.clone(), enters.clone(), gate.clone(), stuck.clone());
        async move {
            let middle = gated(log.clone(), "middle", stuck).with(async |_| {
                enters.acquire().await.unwrap().forget();
                let _inner = slow(log.clone(), "inner").enter().await?;
                pending::<Result<(), Broken>>().await
            });
            match select(pin!(middle), pin!(gate.acquire())).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => Ok(()),
            }
        }
    };
    ends_in_a_rollback(&log, body, async |outer| {
        enters.add_permits(1);
        assert!(poll_once(outer.as_mut()).await.is_none());
        gate.add_permits(1);
    })
    .await;
    settle().await;
    let said = log.said();
    assert!(
        said.starts_with("+outer, +middle, +inner, -inner, "),
        "{said}"
    );
    assert!(
        said.contains("-outer Completed") && said.contains("~middle"),
        "{said}"
    );
    stuck.add_permits(1);
    drain().await;
    assert!(log.said().ends_with(", -middle"));
}

/// Drops its body once it may, within another context, and stays there.
#[async_context(on_cancel = drop)]
async fn drops_its_body(leave: Arc<Semaphore>) -> Result<(), Broken> {
    let within = null_context(()).with(async move |()| -> Result<(), Broken> {
        tokio::select! {
            biased;
            left = leave.acquire() => drop(left),
            _ = async { yield_resource!(move ()) } => {}
        }
        pending().await
    });
    within.await?;
}

/// Its teardown exits what it gets.
#[async_context]
async fn exits(things: oneshot::Receiver<Inner>) -> Result<(), Broken> {
    let _ = yield_resource!();
    if let Ok(guard) = things.await {
        guard.exit().await?;
    }
}

/// A guard has left a body before that was dropped, and is dropped later itself: what waits for the body's rollbacks doesn't wait for that one, which waits for them in its turn.
#[tokio::test(start_paused = true)]
async fn does_not_wait_in_a_circle() {
    let (log, leave, stuck) = (Log::default(), closed(), closed());
    let outer = quick(log.clone(), "outer").boxed().enter().await.unwrap();
    let (give_outer, things) = oneshot::channel();
    let (give, given) = oneshot::channel();
    {
        let body = async |_: &mut ()| {
            assert!(give.send(exits(things).enter().await?).is_ok());
            let _inner = gated(log.clone(), "inner", stuck.clone()).enter().await?;
            pending::<Result<(), Broken>>().await
        };
        let mut leaves = Box::pin(drops_its_body(leave.clone()).with(body));
        assert!(poll_once(leaves.as_mut()).await.is_none());
        leave.add_permits(1);
        assert!(poll_once(leaves.as_mut()).await.is_none());
    }
    drop(given.await.unwrap());
    assert!(give_outer.send(outer).is_ok());
    settle().await;
    assert_eq!(log.said(), "+outer, +inner, ~inner");
    stuck.add_permits(1);
    timeout(Duration::from_secs(9), drain())
        .await
        .expect("a circle");
    assert_eq!(
        log.said(),
        "+outer, +inner, ~inner, -inner, -outer Completed"
    );
}

/// Its setup has dropped `inner`. Its teardown blocks the thread that drops it.
#[async_context(on_cancel = block)]
async fn blocks(log: Log, gate: Arc<Semaphore>) -> Result<(), Broken> {
    drop(gated(log.clone(), "inner", gate).enter().await?);
    let _ = yield_resource!();
    log.say("-blocks");
}

/// It blocks a rollback that may itself be waited for by what its setup has dropped, and so doesn't wait for that. What is around both does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_cannot_wait_for_is_left_to_what_is_around_it() {
    let (log, gate) = (Log::default(), closed());
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let with = blocks(log.clone(), gate.clone());
    let mut with = Box::pin(with.with(async |_| -> Result<(), Broken> { pending().await }));
    assert!(poll_once(with.as_mut()).await.is_none());
    let (give, things) = oneshot::channel();
    drop(drops(things).enter().await);
    assert!(give.send(with).is_ok());
    while !log.said().contains("-blocks") {
        yield_now().await;
    }
    let mut exit = pin!(outer.exit());
    for _ in 0..100 {
        assert!(poll_once(exit.as_mut()).await.is_none(), "{}", log.said());
        yield_now().await;
    }
    gate.add_permits(1);
    exit.await.unwrap();
    assert!(
        log.said().ends_with("-inner, -outer Completed"),
        "{}",
        log.said()
    );
    drain().await;
}
