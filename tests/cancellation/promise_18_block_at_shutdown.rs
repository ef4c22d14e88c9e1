//! Policy `block` while its runtime is being shut down: what nobody drives any more isn't waited for for ever, but for a second, and then reported as lost.

use crate::{
    blocking::{in_time, wait_for},
    runtimes::multi_thread,
};
use contextlib::{async_context, yield_resource};
use contextlib_tests::{Census, Counted, Log, Reports, assert_nothing_pending};
use std::{future::pending, sync::mpsc, thread, time::Duration};
use tokio::{sync::oneshot, task::yield_now, time::sleep};

/// It is the timer that wakes it, if anything does.
#[async_context(on_cancel = block)]
async fn sleeps(log: Log, census: Census, how_long: Duration) -> Counted {
    let local = census.value("local");
    let mut resource = census.value("resource");
    let _ = yield_resource!(resource);
    sleep(how_long).await;
    local.touch();
    log.say("torn down");
}

const HOUR: Duration = Duration::from_secs(3600);

fn lost(context: &str) -> String {
    format!(
        "{context} lost its teardown: its runtime is being shut down, and nothing drives what it waits for any more after cancelled"
    )
}

#[test]
fn what_waits_for_the_timer() {
    const TASKS: usize = 40;
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let (its_log, its_census) = (log.clone(), census.clone());
    in_time(move || {
        let runtime = multi_thread(2);
        for _ in 0..TASKS {
            let (log, census) = (its_log.clone(), its_census.clone());
            runtime.spawn(async move {
                let Ok(_guard) = sleeps(log.clone(), census, HOUR).enter().await;
                log.say("entered");
                pending::<()>().await
            });
        }
        wait_for(&runtime, &its_log, "entered", TASKS);
        drop(runtime);
    });
    census.assert_balanced("shut down");
    assert_eq!(log.count("torn down"), 0);
    assert_eq!(reports.take(), vec![lost("sleeps"); TASKS]);
    assert_nothing_pending();
}

/// The worker that blocks would shut that down next.
#[test]
fn what_waits_for_a_rollback_below_it() {
    const TASKS: usize = 16;
    #[async_context(on_cancel = block)]
    async fn outer(log: Log) {
        let _ = yield_resource!();
        log.say("torn down");
    }
    #[async_context]
    async fn inner() {
        let _ = yield_resource!();
        pending().await
    }
    let reports = Reports::keep();
    let log = Log::new();
    let its_log = log.clone();
    in_time(move || {
        let runtime = multi_thread(1);
        for _ in 0..TASKS {
            let log = its_log.clone();
            runtime.spawn(async move {
                let Ok(_outer) = outer(log.clone()).enter().await;
                let Ok(inner) = inner().enter().await;
                drop(inner);
                log.say("entered");
                pending::<()>().await
            });
        }
        wait_for(&runtime, &its_log, "entered", TASKS);
        drop(runtime);
    });
    let reports = reports.take();
    let lost_outer = reports.iter().filter(|report| **report == lost("outer"));
    // Some of the tasks were shut down after the rollback that they have started.
    assert_eq!(lost_outer.count() + log.count("torn down"), TASKS);
    let lost_inner = reports.iter().filter(|report| report.starts_with("inner"));
    assert_eq!(lost_inner.count(), TASKS);
    assert_nothing_pending();
}

/// A task that is still being polled when the shutdown begins, and finds no thread that takes its worker over.
#[test]
fn what_is_dropped_before_its_worker_knows() {
    #[async_context(on_cancel = block)]
    async fn outer(log: Log, census: Census) {
        let Ok(inner) = sleeps(log.clone(), census, HOUR).enter().await;
        let _ = yield_resource!();
        yield_now().await;
        drop(inner);
        yield_now().await;
        log.say("outer torn down");
    }
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let (its_log, its_census) = (log.clone(), census.clone());
    in_time(move || {
        let runtime = multi_thread(1);
        let (go, wait) = mpsc::channel();
        let (over, end) = mpsc::channel();
        let (log, census) = (its_log.clone(), its_census);
        runtime.spawn(async move {
            let Ok(guard) = outer(log.clone(), census).enter().await;
            log.say("entered");
            wait.recv().unwrap();
            drop(guard);
            over.send(()).unwrap();
        });
        wait_for(&runtime, &its_log, "entered", 1);
        runtime.shutdown_background();
        go.send(()).unwrap();
        end.recv().unwrap();
    });
    census.assert_balanced("dropped");
    assert_eq!(log.lines(), ["entered", "outer torn down"]);
    assert_eq!(reports.take(), [lost("sleeps")]);
    assert_nothing_pending();
}

#[test]
fn off_a_runtime_that_does_not_come_to_its_end() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let (its_log, its_census) = (log.clone(), census.clone());
    in_time(move || {
        let runtime = multi_thread(2);
        let (go, wait) = mpsc::channel::<()>();
        let log = its_log.clone();
        runtime.spawn(async move {
            log.say("blocks");
            wait.recv().unwrap_err();
        });
        wait_for(&runtime, &its_log, "blocks", 1);
        let Ok(guard) = runtime.block_on(sleeps(its_log, its_census, HOUR).enter());
        runtime.shutdown_background();
        drop(guard);
        drop(go);
    });
    census.assert_balanced("dropped");
    assert_eq!(log.lines(), ["blocks"]);
    assert_eq!(reports.take(), [lost("sleeps")]);
    assert_nothing_pending();
}

#[test]
fn what_needs_nothing_of_its_runtime_is_torn_down() {
    #[async_context(on_cancel = block)]
    async fn needs_a_thread(log: Log) {
        let _ = yield_resource!();
        for _ in 0..300 {
            yield_now().await;
        }
        let (send, receive) = oneshot::channel();
        thread::spawn(move || send.send(()).unwrap());
        receive.await.unwrap();
        log.say("torn down");
    }
    let reports = Reports::keep();
    let log = Log::new();
    let its_log = log.clone();
    in_time(move || {
        let runtime = multi_thread(2);
        let Ok(guard) = runtime.block_on(needs_a_thread(its_log.clone()).enter());
        let log = its_log.clone();
        runtime.spawn(async move {
            let Ok(_guard) = needs_a_thread(log.clone()).enter().await;
            log.say("entered");
            pending::<()>().await
        });
        wait_for(&runtime, &its_log, "entered", 1);
        drop(runtime);
        drop(guard);
    });
    assert_eq!(log.lines(), ["entered", "torn down", "torn down"]);
    assert_eq!(reports.take(), [""; 0]);
    assert_nothing_pending();
}

/// No shutdown: it has all the time that it takes.
#[test]
fn a_long_teardown() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = multi_thread(2);
    let enter = || sleeps(log.clone(), census.clone(), Duration::from_millis(1200)).enter();
    let (here, there) = (enter(), enter());
    let there = runtime.spawn(async move { drop(there.await) });
    drop(runtime.block_on(here));
    runtime.block_on(there).unwrap();
    census.assert_balanced("torn down");
    assert_eq!(log.count("torn down"), 2);
    assert_eq!(reports.take(), [""; 0]);
    assert_nothing_pending();
}

/// Tokio drops it while it looks for the current runtime, which can't be set then.
#[test]
fn what_is_spawned_when_its_runtime_is_gone() {
    #[async_context(on_cancel = block)]
    async fn needs_nothing(log: Log) {
        let _ = yield_resource!();
        yield_now().await;
        log.say("torn down");
    }
    let reports = Reports::keep();
    let log = Log::new();
    let runtime = multi_thread(1);
    let Ok(guard) = runtime.block_on(needs_nothing(log.clone()).enter());
    let handle = runtime.handle().clone();
    drop(runtime);
    let _inside = handle.enter();
    let task = tokio::spawn(async move {
        let _guard = guard;
        pending::<()>().await
    });
    let ended = futures::executor::block_on(task);
    assert!(ended.unwrap_err().is_cancelled());
    assert_eq!(log.count("torn down"), 1);
    assert_eq!(reports.take(), [""; 0]);
    assert_nothing_pending();
}
