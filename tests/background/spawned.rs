//! Tasks that are spawned in a lane belong to what spawns them.

use crate::shared::{Broken, Log, quick, slow};
use contextlib::{
    async_context,
    background::{drain, drain_timeout, lane},
    null_context, yield_resource,
};
use futures::FutureExt;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinSet, yield_now},
};

/// How a task is inside a context when it is ended.
#[derive(Clone, Copy, Debug)]
enum Style {
    With,
    Guard,
}

const STYLES: [Style; 2] = [Style::With, Style::Guard];

async fn work(log: Log, style: Style) {
    let inner = slow(log, "inner");
    match style {
        Style::With => {
            let body = async |_: &mut ()| -> Result<(), Broken> { pending().await };
            inner.with(body).await.unwrap();
        }
        Style::Guard => {
            let _guard = inner.enter().await.unwrap();
            pending().await
        }
    }
}

/// A task that is spawned, and ended once it is in its context.
async fn spawn_and_end(log: &Log, style: Style) {
    let mut tasks = JoinSet::new();
    tasks.spawn(lane(work(log.clone(), style)));
    end(tasks, log).await;
}

async fn end(mut tasks: JoinSet<()>, log: &Log) {
    while !log.said().contains("+inner") {
        yield_now().await;
    }
    tasks.shutdown().await;
}

fn assert_in_order(log: &Log, told: &str, what: impl std::fmt::Debug) {
    let said = format!("+outer, +inner, -inner, -outer {told}");
    assert_eq!(log.said(), said, "{what:?}");
}

#[tokio::test]
async fn by_a_body() {
    for style in STYLES {
        let log = Log::default();
        let body = async |_: &mut ()| -> Result<(), Broken> {
            spawn_and_end(&log, style).await;
            Ok(())
        };
        quick(log.clone(), "outer").with(body).await.unwrap();
        assert_in_order(&log, "Completed", style);
    }
}

#[tokio::test]
async fn by_a_body_inside_of_another_one() {
    for style in STYLES {
        let log = Log::default();
        let body = async |_: &mut ()| -> Result<(), Broken> {
            let inside = async |_: &mut ()| spawn_and_end(&log, style).await;
            null_context(()).run(inside).await;
            Ok(())
        };
        quick(log.clone(), "outer").with(body).await.unwrap();
        assert_in_order(&log, "Completed", style);
    }
}

#[tokio::test]
async fn beside_a_guard() {
    for style in STYLES {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        spawn_and_end(&log, style).await;
        outer.exit().await.unwrap();
        assert_in_order(&log, "Completed", style);

        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        spawn_and_end(&log, style).await;
        drop(outer);
        drain().await;
        assert_in_order(&log, "Cancelled", style);
    }
}

/// A group of tasks that is a context itself: its teardown ends them.
#[async_context]
async fn group(log: Log) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let _ = yield_resource!(tasks);
    end(tasks, &log).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_group() {
    for style in STYLES {
        for cancelled in [false, true] {
            let log = Log::default();
            let body = async |_: &mut ()| -> Result<(), Broken> {
                let inside = async |tasks: &mut JoinSet<()>| {
                    tasks.spawn(lane(work(log.clone(), style)));
                    while !log.said().contains("+inner") {
                        yield_now().await;
                    }
                    if cancelled {
                        pending::<()>().await;
                    }
                };
                group(log.clone()).run(inside).await;
                Ok(())
            };
            let with = quick(log.clone(), "outer").with(body);
            let limit = std::time::Duration::from_millis(20);
            let ended = tokio::time::timeout(limit, with).await;
            assert_eq!(ended.is_err(), cancelled);
            drain().await;
            let told = if cancelled { "Cancelled" } else { "Completed" };
            assert_in_order(&log, told, (style, cancelled));
        }
    }
}

/// The group is rolled back before its task begins.
#[tokio::test]
async fn in_a_group_that_ends_before_they_begin() {
    for (style, style_of_group) in STYLES
        .into_iter()
        .flat_map(|style| STYLES.map(|group| (style, group)))
    {
        let log = Log::default();
        let whole = async {
            let outer = quick(log.clone(), "outer");
            let spawn = |tasks: &mut JoinSet<()>| {
                tasks.spawn(lane(work(log.clone(), style)));
            };
            match style_of_group {
                Style::With => {
                    let inside = async |tasks: &mut JoinSet<()>| {
                        spawn(tasks);
                        pending::<()>().await;
                    };
                    let body = async |_: &mut ()| -> Result<(), Broken> {
                        group(log.clone()).run(inside).await;
                        Ok(())
                    };
                    outer.with(body).await.unwrap();
                }
                Style::Guard => {
                    let _outer = outer.enter().await.unwrap();
                    let mut tasks = group(log.clone()).enter().await.unwrap();
                    spawn(&mut tasks);
                    pending::<()>().await;
                }
            }
        };
        assert!(whole.now_or_never().is_none());
        drain().await;
        assert_in_order(&log, "Cancelled", (style, style_of_group));
    }
}

/// A branch of the same task that begins after a guard was given up is around its rollback, as what is entered then without a lane is.
#[tokio::test(start_paused = true)]
async fn a_branch_that_begins_later_is_not_waited_for() {
    #[async_context]
    async fn holds(permit: OwnedSemaphorePermit) {
        let _ = yield_resource!();
        drop(permit);
    }
    #[async_context]
    async fn needs(semaphore: Arc<Semaphore>) {
        let _ = yield_resource!();
        let _permit = semaphore.acquire().await.unwrap();
    }
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = semaphore.clone().try_acquire_owned().unwrap();
    let Ok(guard) = holds(permit).enter().await;
    let later = lane(async { drop(needs(semaphore.clone()).enter().await) });
    drop(guard);
    later.await;
    drain_timeout(Duration::from_secs(1)).await.unwrap();
    assert_eq!(semaphore.available_permits(), 1);
}

/// Without a lane they don't.
#[tokio::test]
async fn without_a_lane_they_are_apart() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(work(log.clone(), Style::Guard));
    end(tasks, &log).await;
    outer.exit().await.unwrap();
    drain().await;
    assert_eq!(log.said(), "+outer, +inner, -outer Completed, -inner");
}
