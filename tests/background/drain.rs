//! Waiting for rollbacks.

use crate::shared::{Broken, Log, closed, gated, poll_once, quick, settle, slow};
use contextlib::{
    async_context,
    background::{drain, drain_timeout, drained, pending},
    within, yield_resource,
};
use contextlib_tests::quiet;
use futures::FutureExt;
use std::{
    future::pending as forever,
    panic::{AssertUnwindSafe, Location},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    task::yield_now,
    time::{Instant, timeout},
};

#[tokio::test]
async fn nothing_pending_is_drained_at_once() {
    assert_eq!(pending(), 0);
    assert!(poll_once(drain()).await.is_some());
    assert!(drain_timeout(Duration::ZERO).await.is_ok());
    // An open context isn't a rollback.
    let guard = slow(Log::default(), "open").enter().await.unwrap();
    assert_eq!(pending(), 0);
    assert!(poll_once(drain()).await.is_some());
    guard.exit().await.unwrap();
}

/// The teardown drops a guard, whose teardown drops a guard …
#[async_context]
async fn chain(log: Log, length: usize) -> Result<(), Broken> {
    let _ = yield_resource!();
    yield_now().await;
    let _next = match length {
        0 => None,
        _ => Some(link(log.clone(), length - 1).await),
    };
    log.say(length);
}

type Link = Pin<Box<dyn Future<Output = Box<dyn Send>> + Send>>;

fn link(log: Log, length: usize) -> Link {
    Box::pin(async move { Box::new(chain(log, length).enter().await) as Box<dyn Send> })
}

#[tokio::test]
async fn rollbacks_that_start_rollbacks_while_draining() {
    let log = Log::default();
    drop(chain(log.clone(), 9).enter().await.unwrap());
    assert_eq!(pending(), 1);
    drain().await;
    assert_eq!(log.said(), "9, 8, 7, 6, 5, 4, 3, 2, 1, 0");
    assert_eq!(pending(), 0);
}

/// A teardown that leaves its work to a task of its own, which drops a guard after the teardown is over.
#[async_context]
async fn spawns(log: Log) -> Result<(), Broken> {
    let _ = yield_resource!();
    let late = slow(log.clone(), "late").enter().await?;
    tokio::spawn(async move { drop(late) });
    log.say("-spawns");
}

#[tokio::test]
async fn what_a_task_started_by_a_rollback_drops_is_drained_once_it_is_dropped() {
    let log = Log::default();
    drop(spawns(log.clone()).enter().await.unwrap());
    drain().await;
    settle().await;
    drain().await;
    assert_eq!(log.said(), "+late, -spawns, -late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_wait_for_many() {
    let logs: Vec<Log> = (0..200).map(|_| Log::default()).collect();
    for log in logs.clone() {
        tokio::spawn(async move {
            let _a = quick(log.clone(), "a").enter().await?;
            let _b = slow(log, "b").enter().await?;
            yield_now().await;
            Err::<(), _>(Broken)
        })
        .await
        .unwrap()
        .unwrap_err();
    }
    let drains: Vec<_> = (0..8).map(|_| tokio::spawn(drain())).collect();
    for drained in drains {
        drained.await.unwrap();
        for log in &logs {
            assert_eq!(log.said(), "+a, +b, -b, -a Cancelled");
        }
    }
    assert_eq!(pending(), 0);
}

#[tokio::test]
async fn a_drain_that_is_cancelled_cancels_nothing() {
    let log = Log::default();
    drop(slow(log.clone(), "a").enter().await.unwrap());
    assert!(poll_once(drain()).await.is_none());
    assert_eq!(pending(), 1);
    drain().await;
    assert_eq!(log.said(), "+a, -a");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_times_out_names_what_is_stuck() {
    let log = Log::default();
    let gate = closed();
    let first = gated(log.clone(), "first", gate.clone());
    let line = line!() + 1;
    let first = first.enter().await.unwrap();
    let second = gated(log.clone(), "second", gate.clone()).with(async |_| {
        let _third = slow(log.clone(), "third").enter().await?;
        forever::<Result<(), Broken>>().await
    });
    assert!(poll_once(second).await.is_none());
    drop(first);

    let began = Instant::now();
    let stuck = drain_timeout(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(log.said(), "+first, +second, +third, -third, ~second");
    let names: Vec<_> = stuck
        .stuck()
        .iter()
        .map(|context| (context.definition().name(), context.entered().line()))
        .collect();
    assert_eq!(names, [("gated", line), ("gated", line + 1)]);
    let text = stuck.to_string();
    let here = Location::caller().file();
    assert!(
        text.starts_with("2 rollbacks are still pending:\n  the context `gated` ("),
        "{text}"
    );
    assert!(
        text.contains(&format!("entered at {here}:{line}:")),
        "{text}"
    );

    // They go on.
    gate.add_permits(2);
    drain().await;
    assert_eq!(
        log.said(),
        "+first, +second, +third, -third, ~second, -second, ~first, -first"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stuck_is_told_of_in_the_singular() {
    let gate = closed();
    let only = gated(Log::default(), "only", gate.clone());
    drop(only.enter().await.unwrap());
    let stuck = drain_timeout(Duration::from_secs(3)).await.unwrap_err();
    let text = stuck.to_string();
    assert!(
        text.starts_with("a rollback is still pending:\n  the context `gated` ("),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
    gate.add_permits(1);
    drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_within_its_time_is_over_as_soon_as_the_rollbacks_are() {
    let log = Log::default();
    drop(slow(log.clone(), "a").enter().await.unwrap());
    let began = Instant::now();
    drain_timeout(Duration::from_secs(3)).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(log.said(), "+a, -a");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_rollback_does_not_keep_the_others_from_being_over() {
    let log = Log::default();
    let gate = closed();
    let stuck = tokio::spawn({
        let (log, gate) = (log.clone(), gate.clone());
        async move { drop(gated(log, "stuck", gate).enter().await.unwrap()) }
    });
    stuck.await.unwrap();
    drop(slow(log.clone(), "other").enter().await.unwrap());
    assert!(timeout(Duration::from_secs(1), drain()).await.is_err());
    assert_eq!(pending(), 1);
    assert_eq!(log.said(), "+stuck, ~stuck, +other, -other");
    gate.add_permits(1);
    drain().await;
}

/// A teardown that makes sure that nothing is left behind.
#[async_context]
async fn drains(log: Log, name: &'static str) -> Result<(), Broken> {
    log.say(format_args!("+{name}"));
    let _ = yield_resource!();
    drop(slow(log.clone(), "part").enter().await?);
    drain().await;
    log.say(format_args!("-{name}"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_a_rollback_does_not_wait_for_itself() {
    let log = Log::default();
    let gate = closed();
    // What waits for it, what it waits for, and what comes later but not below it.
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let draining = drains(log.clone(), "draining").enter().await.unwrap();
    let elsewhere = tokio::spawn({
        let elsewhere = gated(log.clone(), "elsewhere", gate.clone());
        async move { drop(elsewhere.enter().await.unwrap()) }
    });
    elsewhere.await.unwrap();
    drop((draining, outer));
    settle().await;
    assert_eq!(
        log.said(),
        "+outer, +draining, +elsewhere, ~elsewhere, +part, -part",
        "it waits for what came later"
    );
    gate.add_permits(1);
    let drained = timeout(Duration::from_secs(9), drain()).await;
    drained.expect("a dead-lock");
    assert_eq!(
        log.said(),
        "+outer, +draining, +elsewhere, ~elsewhere, +part, -part, -elsewhere, -draining, -outer Cancelled"
    );
}

/// A teardown that gives what came later so much time, and says which of it is stuck.
#[async_context]
async fn gives_up(log: Log, name: &'static str, gate: Arc<Semaphore>) -> Result<(), Broken> {
    let _ = yield_resource!();
    let part = gated(log.clone(), "part", gate).enter().await?;
    drop(part);
    let stuck = drain_timeout(Duration::from_secs(1)).await;
    let stuck = stuck.err().map_or(0, |error| error.stuck().len());
    log.say(format_args!("-{name}, {stuck} stuck"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_a_rollback_names_what_it_waits_for() {
    let log = Log::default();
    let gate = closed();
    let earlier = tokio::spawn(gated(log.clone(), "earlier", gate.clone()).enter());
    drop(earlier.await.unwrap().unwrap());
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let inner = gives_up(log.clone(), "inner", gate.clone());
    drop((inner.enter().await.unwrap(), outer));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        log.said(),
        "+earlier, +outer, ~earlier, +part, ~part, -inner, 1 stuck",
        "its part, and not itself, what waits for it or what was there before"
    );
    gate.add_permits(2);
    drain().await;
}

/// It becomes a rollback while it drains, and doesn't name itself then, nor what was there before.
#[tokio::test(start_paused = true)]
async fn a_drain_in_a_teardown_whose_caller_goes_names_what_it_waits_for_then() {
    let log = Log::default();
    let gate = closed();
    let earlier = tokio::spawn(gated(log.clone(), "earlier", gate.clone()).enter());
    drop(earlier.await.unwrap().unwrap());
    let draining = gives_up(log.clone(), "draining", gate.clone());
    let exit = draining.enter().await.unwrap().exit();
    assert!(poll_once(exit).await.is_none());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        log.said(),
        "+earlier, +part, ~earlier, ~part, -draining, 1 stuck"
    );
    gate.add_permits(2);
    drain().await;
}

/// Two that drain: each waits for what was entered later, so that one of the two is the first.
#[tokio::test(start_paused = true)]
async fn rollbacks_that_drain_do_not_wait_for_each_other() {
    let log = Log::default();
    for name in ["a", "b", "c"] {
        let entered = tokio::spawn(drains(log.clone(), name).enter());
        drop(entered.await.unwrap().unwrap());
    }
    let drained = timeout(Duration::from_secs(9), drain()).await;
    drained.expect("a dead-lock");
    let ends: Vec<_> = log.lines().split_off(6);
    assert_eq!(ends, ["-part", "-part", "-part", "-c", "-b", "-a"]);
}

/// An awaited teardown is no rollback: it waits for all of them.
#[tokio::test(start_paused = true)]
async fn a_drain_in_an_awaited_teardown() {
    let log = Log::default();
    let gate = closed();
    let earlier = tokio::spawn(gated(log.clone(), "earlier", gate.clone()).enter());
    drop(earlier.await.unwrap().unwrap());
    settle().await;
    let draining = drains(log.clone(), "draining").enter().await.unwrap();
    let mut exit = std::pin::pin!(draining.exit());
    assert!(futures::poll!(exit.as_mut()).is_pending());
    settle().await;
    assert!(futures::poll!(exit.as_mut()).is_pending());
    gate.add_permits(1);
    exit.await.unwrap();
    assert_eq!(
        log.said(),
        "+earlier, ~earlier, +draining, +part, -part, -earlier, -draining"
    );
}

/// It becomes one while it drains: then it is one of those that it would wait for.
#[tokio::test(start_paused = true)]
async fn a_drain_in_an_awaited_teardown_whose_caller_goes() {
    let log = Log::default();
    let gate = closed();
    let earlier = tokio::spawn(gated(log.clone(), "earlier", gate.clone()).enter());
    drop(earlier.await.unwrap().unwrap());
    let draining = drains(log.clone(), "draining").enter().await.unwrap();
    let exit = draining.exit();
    assert!(poll_once(exit).await.is_none());
    settle().await;
    gate.add_permits(1);
    let drained = timeout(Duration::from_secs(9), drain()).await;
    drained.expect("a dead-lock");
    assert_eq!(
        log.said(),
        "+earlier, +draining, +part, ~earlier, -part, -draining, -earlier"
    );
}

/// Two that wait for each other, which no order helps: it isn't for ever that `main` waits.
#[tokio::test(start_paused = true)]
async fn teardowns_that_wait_for_each_other_are_named() {
    #[async_context]
    async fn waits_for(other: Arc<Semaphore>, over: Arc<Semaphore>) -> Result<(), Broken> {
        let _ = yield_resource!();
        let _never = other.acquire().await;
        over.add_permits(1);
    }
    let (a, b) = (closed(), closed());
    let line = line!() + 2;
    for (mine, others) in [(a.clone(), b.clone()), (b, a.clone())] {
        drop(waits_for(others, mine).enter().await.unwrap());
    }
    let stuck = drain_timeout(Duration::from_secs(1)).await.unwrap_err();
    let entered: Vec<_> = stuck
        .stuck()
        .iter()
        .map(|stuck| stuck.entered().line())
        .collect();
    assert_eq!(entered, [line, line]);
    assert_eq!(stuck.stuck()[0].definition().name(), "waits_for");
    a.add_permits(2);
    drain().await;
}

/// A context around a function waits also for the rollbacks of tasks, which are in order with nothing there; however the function ends.
#[tokio::test]
async fn drained_waits_however_a_function_ends() {
    #[within(drained())]
    async fn ends_a_task(log: Log, end: &str) -> Result<(), Broken> {
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                let _guard = slow(log, "task's").enter().await.unwrap();
                forever::<()>().await;
            }
        });
        while log.lines().is_empty() {
            yield_now().await;
        }
        task.abort();
        assert!(task.await.is_err());
        assert_ne!(end, "panics");
        match end {
            "fails" => Err(Broken),
            _ => Ok(()),
        }
    }

    for end in ["well", "fails", "panics"] {
        let log = Log::default();
        let ended = {
            let _quiet = quiet();
            AssertUnwindSafe(ends_a_task(log.clone(), end))
                .catch_unwind()
                .await
        };
        assert_eq!(log.said(), "+task's, -task's", "{end}");
        match end {
            "panics" => assert!(ended.is_err()),
            _ => assert_eq!(ended.unwrap().is_ok(), end == "well"),
        }
    }
}
