//! No runtime, several, and one that is gone.

use crate::shared::{Broken, Log, closed, gated, poll_once, quick, settle, slow};
use contextlib::{
    async_context,
    background::{drain, pending},
    yield_resource,
};
use contextlib_tests::Reports;
use std::{future::pending as forever, thread};
use tokio::runtime::{Builder, Runtime};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Contexts of this file's own, whose reports are told from others'.
#[async_context]
async fn here(log: Log, name: &'static str) -> Result<(), Broken> {
    let _guard = SaysSo(log.clone(), name);
    let _ = yield_resource!();
    tokio::task::yield_now().await;
    log.say(format_args!("-{name}"));
}

struct SaysSo(Log, &'static str);

impl Drop for SaysSo {
    fn drop(&mut self) {
        self.0.say(format_args!("{} dropped", self.1));
    }
}

#[test]
fn a_guard_dropped_without_a_runtime_uses_the_one_it_was_entered_on() {
    let (reports, log) = (Reports::keep(), Log::default());
    let runtime = multi_thread();
    let guard = runtime.block_on(here(log.clone(), "a").enter()).unwrap();
    let boxed = here(log.clone(), "boxed").boxed();
    let boxed = runtime.block_on(boxed.enter()).unwrap();
    thread::spawn(move || {
        assert!(tokio::runtime::Handle::try_current().is_err());
        drop(boxed);
        drop(guard);
    })
    .join()
    .unwrap();
    runtime.block_on(drain());
    let mut said = log.lines();
    said.sort();
    assert_eq!(said, ["-a", "-boxed", "a dropped", "boxed dropped"]);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_guard_dropped_on_another_runtime_uses_the_one_it_was_entered_on() {
    let log = Log::default();
    #[async_context]
    async fn whose(log: Log) -> Result<(), Broken> {
        let _ = yield_resource!();
        log.say(format_args!("{}", tokio::runtime::Handle::current().id()));
    }
    let (first, second) = (multi_thread(), multi_thread());
    let guard = first.block_on(whose(log.clone()).enter()).unwrap();
    second.block_on(async move { drop(guard) });
    second.block_on(drain());
    first.block_on(drain());
    assert_eq!(log.said(), first.handle().id().to_string());
}

#[test]
fn a_guard_entered_off_a_runtime_uses_the_one_it_is_dropped_on() {
    let (reports, log) = (Reports::keep(), Log::default());
    let guard = futures::executor::block_on(here(log.clone(), "a").enter()).unwrap();
    current_thread().block_on(async {
        drop(guard);
        drain().await;
    });
    assert_eq!(log.said(), "-a, a dropped");
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn where_there_never_was_a_runtime_the_teardown_is_reported_as_lost() {
    let (reports, log) = (Reports::keep(), Log::default());
    let guard = futures::executor::block_on(here(log.clone(), "a").enter()).unwrap();
    drop(guard);
    let with = here(log.clone(), "b").with(async |_| -> Result<(), Broken> { forever().await });
    assert!(futures::executor::block_on(poll_once(with)).is_none());
    assert_eq!(log.said(), "a dropped, b dropped");
    let why =
        "it was entered and dropped outside of a tokio runtime, so there is nothing to run it on";
    let lost = format!("here lost its teardown: {why} after cancelled");
    assert_eq!(reports.take(), [lost.clone(), lost]);
}

#[test]
fn a_runtime_that_is_dropped_loses_its_rollbacks_and_says_so() {
    let (reports, log) = (Reports::keep(), Log::default());
    let runtime = current_thread();
    runtime.block_on(async {
        let _a = here(log.clone(), "a").enter().await.unwrap();
        let _b = here(log.clone(), "b").enter().await.unwrap();
        let with = here(log.clone(), "c").with(async |_| {
            let _d = here(log.clone(), "d").enter().await?;
            forever::<Result<(), Broken>>().await
        });
        assert!(poll_once(with).await.is_none());
    });
    let pending = {
        let _on = runtime.enter();
        pending()
    };
    assert_eq!(pending, 4);
    drop(runtime);
    let lost = "here lost its teardown: its rollback was dropped before its end, as in a shutdown of the runtime after cancelled";
    assert_eq!(reports.take(), [lost; 4]);
    let mut dropped = log.lines();
    dropped.sort();
    assert_eq!(
        dropped,
        ["a dropped", "b dropped", "c dropped", "d dropped"]
    );
}

#[test]
fn after_the_runtime_is_gone_a_teardown_is_reported_as_lost() {
    let (reports, log) = (Reports::keep(), Log::default());
    let runtime = current_thread();
    let guard = runtime.block_on(here(log.clone(), "a").enter()).unwrap();
    drop(runtime);
    drop(guard);
    let lost = "here lost its teardown: its rollback was dropped before its end, as in a shutdown of the runtime after cancelled";
    assert_eq!(reports.take(), [lost]);
    // Also on another runtime, whose drain doesn't wait for it.
    let runtime = current_thread();
    let guard = runtime.block_on(here(log.clone(), "b").enter()).unwrap();
    drop(runtime);
    current_thread().block_on(async {
        drop(guard);
        assert!(poll_once(drain()).await.is_some());
    });
    assert_eq!(reports.take(), [lost]);
    // A guard that is exited needs no runtime.
    let runtime = current_thread();
    let guard = runtime.block_on(here(log.clone(), "c").enter()).unwrap();
    drop(runtime);
    futures::executor::block_on(guard.exit()).unwrap();
    assert_eq!(log.said(), "a dropped, b dropped, -c, c dropped");
    assert_eq!(reports.take(), [""; 0]);
}

/// What a lost rollback leaves pending elsewhere is still waited for, and what is lost is waited for no longer.
#[test]
fn an_outer_teardown_goes_on_when_an_inner_one_is_lost() {
    let (reports, log) = (Reports::keep(), Log::default());
    let (first, second) = (current_thread(), current_thread());
    second.block_on(async {
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        let inner = {
            let _on = first.enter();
            poll_once(here(log.clone(), "inner").enter())
                .await
                .unwrap()
                .unwrap()
        };
        drop(inner);
        // It is waited for though the other runtime isn't being driven.
        let mut exit = Box::pin(outer.exit());
        assert!(futures::poll!(exit.as_mut()).is_pending());
        settle().await;
        assert!(futures::poll!(exit.as_mut()).is_pending());
        thread::spawn(move || drop(first)).join().unwrap();
        exit.await.unwrap();
    });
    assert_eq!(log.said(), "+outer, inner dropped, -outer Completed");
    let lost = "here lost its teardown: its rollback was dropped before its end, as in a shutdown of the runtime after cancelled";
    assert_eq!(reports.take(), [lost]);
}

#[test]
fn runtimes_drain_separately() {
    let log = Log::default();
    let gate = closed();
    let (stuck, other) = (current_thread(), current_thread());
    stuck.block_on(async {
        drop(
            gated(log.clone(), "stuck", gate.clone())
                .enter()
                .await
                .unwrap(),
        );
        settle().await;
        assert_eq!(pending(), 1);
    });
    other.block_on(async {
        drop(slow(log.clone(), "other").enter().await.unwrap());
        assert_eq!(pending(), 1);
        drain().await;
        assert_eq!(pending(), 0);
    });
    assert_eq!(log.said(), "+stuck, ~stuck, +other, -other");
    // Off a runtime, all of them.
    let (waits, has_begun) = std::sync::mpsc::channel();
    let all = thread::spawn(move || {
        assert!(pending() > 0);
        assert!(futures::executor::block_on(poll_once(drain())).is_none());
        waits.send(()).unwrap();
        futures::executor::block_on(drain());
    });
    has_begun.recv().unwrap();
    gate.add_permits(1);
    stuck.block_on(drain());
    all.join().unwrap();
    assert_eq!(log.said(), "+stuck, ~stuck, +other, -other, -stuck");
}

/// The root futures of two runtimes on one thread have nothing to do with each other.
#[test]
fn two_runtimes_driven_by_one_thread() {
    let log = Log::default();
    let (first, second) = (current_thread(), current_thread());
    let outer = second
        .block_on(quick(log.clone(), "outer").enter())
        .unwrap();
    let other = first.block_on(slow(log.clone(), "other").enter()).unwrap();
    // Pending on a runtime that nobody drives now.
    drop(other);
    second.block_on(outer.exit()).unwrap();
    assert_eq!(log.said(), "+outer, +other, -outer Completed");
    first.block_on(drain());
    assert_eq!(log.said(), "+outer, +other, -outer Completed, -other");
}
