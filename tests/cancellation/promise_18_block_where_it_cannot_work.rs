//! Policy `block` where blocking can't work: nothing panics, dead-locks or aborts; the frame is dropped and that is reported. And where it can.

use crate::runtimes::{current_thread, two_threads};
use contextlib::{ExitStack, async_context, background, null_context, yield_resource};
use contextlib_tests::{
    Census, Counted, Log, Reports, assert_nothing_pending, poll_once, quiet, yields,
};
use std::{
    any::Any,
    convert::Infallible,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};
use tokio::task::{self, LocalSet};

/// What it borrows is why it blocks.
#[async_context(on_cancel = block)]
async fn context<'a>(log: &'a Log, census: &'a Census) -> Counted {
    let local = census.value("local");
    let mut resource = census.value("resource");
    let exit = yield_resource!(resource);
    log.say(format!("{:?}", exit.kind()));
    // Needs the timer and another task: the runtime must go on meanwhile.
    tokio::time::sleep(Duration::from_millis(1)).await;
    tokio::spawn(yields(2)).await.unwrap();
    local.touch();
    resource.touch();
    log.say("torn down");
}

/// Drops a guard; then a `with` future whose body runs; then one in the middle of its teardown.
async fn drop_some(log: &Log, census: &Census) {
    let Ok(guard) = context(log, census).enter().await;
    drop(guard);

    let mut with = Box::pin(context(log, census).with(
        async |resource| -> Result<(), Infallible> {
            let _local = census.value("local of the body");
            resource.touch();
            std::future::pending().await
        },
    ));
    assert!(poll_once(with.as_mut()).is_pending());
    drop(with);

    let mut with =
        Box::pin(context(log, census).with(async |_| -> Result<(), &'static str> { Err("body") }));
    assert!(poll_once(with.as_mut()).is_pending());
    drop(with);
}

#[track_caller]
fn assert_lost(reports: &Reports, log: &Log, census: &Census, why: &str) {
    census.assert_balanced(why);
    assert_eq!(
        log.take(),
        ["Failed"],
        "the teardown that had begun, and no other"
    );
    let after = |exit| {
        format!(
            "context lost its teardown: its policy is `block`, which can't work {why} after {exit}"
        )
    };
    assert_eq!(
        reports.take(),
        [
            after("cancelled"),
            after("cancelled"),
            after("failed"),
            "context's body failed: \"body\" after failed".to_owned(),
        ]
    );
    assert_nothing_pending();
}

#[track_caller]
fn assert_torn_down(reports: &Reports, log: &Log, census: &Census, r#where: &str) {
    census.assert_balanced(r#where);
    assert_eq!(
        log.take(),
        [
            "Cancelled",
            "torn down",
            "Cancelled",
            "torn down",
            "Failed",
            "torn down"
        ],
        "{where}"
    );
    assert_eq!(
        reports.take(),
        ["context's body failed: \"body\" after failed"],
        "{where}"
    );
    assert_nothing_pending();
}

#[test]
fn on_a_current_thread_runtime() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    current_thread().block_on(drop_some(&log, &census));
    assert_lost(&reports, &log, &census, "on a current-thread runtime");
}

#[test]
fn in_a_local_set() {
    let _quiet = quiet();
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    LocalSet::new().block_on(&current_thread(), drop_some(&log, &census));
    assert_lost(&reports, &log, &census, "on a current-thread runtime");

    let runtime = two_threads();
    LocalSet::new().block_on(&runtime, drop_some(&log, &census));
    assert_lost(&reports, &log, &census, "inside a `LocalSet`");

    let (its_log, its_census) = (log.clone(), census.clone());
    let task = async move {
        task::spawn_local(async move { drop_some(&its_log, &its_census).await })
            .await
            .unwrap()
    };
    runtime.block_on(LocalSet::new().run_until(task));
    assert_lost(&reports, &log, &census, "inside a `LocalSet`");
}

#[test]
fn off_a_runtime() {
    /// Its teardown needs no runtime, but its policy does.
    #[async_context(on_cancel = block)]
    async fn quick(log: &Log) {
        let _ = yield_resource!();
        log.say("torn down");
    }
    let reports = Reports::keep();
    let log = Log::new();
    let Ok(guard) = futures::executor::block_on(quick(&log).enter());
    drop(guard);
    assert!(log.take().is_empty());
    assert_eq!(
        reports.take(),
        [
            "quick lost its teardown: its policy is `block`, which can't work outside of a multi-thread runtime after cancelled"
        ]
    );
    // Entered on one, dropped off it.
    let runtime = two_threads();
    let Ok(guard) = runtime.block_on(quick(&log).enter());
    drop(guard);
    assert_eq!(log.take(), ["torn down"]);
    let Ok(guard) = runtime.block_on(quick(&log).enter());
    futures::executor::block_on(async { drop(guard) });
    assert_eq!(log.take(), ["torn down"]);
    // Entered on a current-thread runtime, which nobody drives now.
    let runtime = current_thread();
    let Ok(guard) = runtime.block_on(quick(&log).enter());
    drop(guard);
    assert!(log.take().is_empty());
    assert_eq!(reports.take().len(), 1);
}

#[test]
fn on_a_runtime_that_is_gone() {
    let _quiet = quiet();
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = two_threads();
    let Ok(guard) = runtime.block_on(context(&log, &census).enter());
    drop(runtime);
    drop(guard);
    census.assert_balanced("the runtime is gone");
    assert_eq!(log.count("torn down"), 0);
    let reported = reports.take();
    assert_eq!(
        reported.len(),
        1,
        "what it needs of the runtime isn't there any more: {reported:?}"
    );
}

#[test]
fn while_its_runtime_shuts_down() {
    #[async_context(on_cancel = block)]
    async fn owned(log: Log, census: Census) -> Counted {
        let mut resource = census.value("resource");
        let _ = yield_resource!(resource);
        yields(2).await;
        log.say("torn down");
    }
    for runtime in [two_threads, current_thread] {
        let reports = Reports::keep();
        let (log, census) = (Log::new(), Census::new());
        let runtime = runtime();
        let (its_log, its_census) = (log.clone(), census.clone());
        runtime.spawn(async move {
            let Ok(_guard) = owned(its_log.clone(), its_census).enter().await;
            its_log.say("entered");
            std::future::pending::<()>().await
        });
        runtime.block_on(async {
            while log.lines().is_empty() {
                task::yield_now().await;
            }
        });
        drop(runtime);
        census.assert_balanced("shut down");
        assert_eq!(log.count("torn down") + reports.take().len(), 1);
    }
}

#[test]
fn where_it_works() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = two_threads();

    runtime.block_on(drop_some(&log, &census));
    assert_torn_down(&reports, &log, &census, "the root of block_on");

    let (its_log, its_census) = (log.clone(), census.clone());
    runtime
        .block_on(runtime.spawn(async move { drop_some(&its_log, &its_census).await }))
        .unwrap();
    assert_torn_down(&reports, &log, &census, "a task");

    let (its_log, its_census, handle) = (log.clone(), census.clone(), runtime.handle().clone());
    let blocking =
        runtime.spawn_blocking(move || handle.block_on(drop_some(&its_log, &its_census)));
    runtime.block_on(blocking).unwrap();
    assert_torn_down(&reports, &log, &census, "spawn_blocking");

    // All workers block at once.
    let tasks = Vec::from_iter((0..8).map(|_| {
        let (log, census) = (log.clone(), census.clone());
        runtime.spawn(async move { drop_some(&log, &census).await })
    }));
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert_eq!(log.count("torn down"), 24);
    log.take();
    census.assert_balanced("all workers");

    // A thread that is only said to belong to the runtime.
    let _entered = runtime.enter();
    let Ok(guard) = futures::executor::block_on(context(&log, &census).enter());
    drop(guard);
    assert_eq!(log.take(), ["Cancelled", "torn down"]);
}

/// A rollback that blocks drops the guard of another that does.
#[test]
fn one_in_the_other() {
    #[async_context(on_cancel = block)]
    async fn outer<'a>(log: &'a Log, census: &'a Census) {
        let Ok(inner) = context(log, census).enter().await;
        let _ = yield_resource!();
        yields(1).await;
        drop(inner);
        log.say("outer torn down");
    }
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    two_threads().block_on(async {
        let Ok(guard) = outer(&log, &census).enter().await;
        drop(guard);
    });
    census.assert_balanced("one in the other");
    assert_eq!(log.lines(), ["Cancelled", "torn down", "outer torn down"]);
    assert_eq!(reports.take(), [""; 0]);
}

/// A rollback runs, and what it drops blocks its thread: neither waits for the other.
mod inside_of_a_rollback {
    use super::*;

    #[async_context(on_cancel = block)]
    async fn blocking(log: Log) {
        let _ = yield_resource!();
        log.say("blocking begins");
        yields(2).await;
        // Nor does this wait for the rollback that is blocked.
        background::drain().await;
        log.say("blocking ends");
    }

    macro_rules! keepers {
        ($($name:ident: $policy:ident,)*) => {$(
            /// Drops what it was given in the middle of its teardown.
            #[async_context(on_cancel = $policy)]
            async fn $name<T: Send + 'static>(log: Log, kept: T) {
                let _ = yield_resource!();
                log.say("keeper begins");
                drop(kept);
                log.say("keeper ends");
            }
        )*};
    }

    keepers! {
        keeps_and_spawns: spawn,
        keeps_and_blocks: block,
        keeps_and_drops: drop,
    }

    const ONE_IN_THE_OTHER: [&str; 4] = [
        "keeper begins",
        "blocking begins",
        "blocking ends",
        "keeper ends",
    ];

    /// What was said until all rollbacks were over that `test` has left behind.
    #[track_caller]
    fn log_of<F: Future<Output = ()> + Send>(test: impl FnOnce(Log) -> F + Send + 'static) -> Log {
        let reports = Reports::keep();
        let log = Log::new();
        let (ended, over) = mpsc::channel();
        let its_log = log.clone();
        // A thread that waits for itself does so for ever.
        thread::spawn(move || {
            two_threads().block_on(async {
                test(its_log).await;
                background::drain().await;
                assert_eq!(background::pending(), 0);
            });
            ended.send(()).unwrap();
        });
        let over = over.recv_timeout(Duration::from_secs(10));
        assert_eq!(over, Ok(()), "it said {:?}", log.lines());
        assert_eq!(reports.take(), [""; 0]);
        log
    }

    /// The outer guard would wait for what was entered after it: for the very rollback that drops it.
    #[test]
    fn an_outer_guard_that_an_inner_context_is_given() {
        let log = log_of(async |log| {
            let Ok(guard) = blocking(log.clone()).enter().await;
            let Ok(keeper) = keeps_and_spawns(log.clone(), guard).enter().await;
            drop(keeper);
        });
        assert_eq!(log.lines(), ONE_IN_THE_OTHER);
    }

    #[test]
    fn an_outer_guard_that_one_is_given_that_blocks_too() {
        let log = log_of(async |log| {
            let Ok(guard) = blocking(log.clone()).enter().await;
            let Ok(keeper) = keeps_and_blocks(log.clone(), guard).enter().await;
            drop(keeper);
        });
        assert_eq!(log.lines(), ONE_IN_THE_OTHER);
    }

    #[test]
    fn an_outer_guard_that_one_is_given_that_is_only_dropped() {
        let log = log_of(async |log| {
            let Ok(guard) = blocking(log.clone()).enter().await;
            let Ok(keeper) = keeps_and_drops(log.clone(), guard).enter().await;
            drop(keeper);
        });
        assert_eq!(log.lines(), ["blocking begins", "blocking ends"]);
    }

    type Slot = Arc<Mutex<Option<Box<dyn Any + Send>>>>;

    #[async_context(on_cancel = block)]
    async fn empties(log: Log, slot: Slot) {
        let _ = yield_resource!();
        let kept = slot.lock().unwrap().take();
        drop(kept);
        log.say("emptied");
    }

    #[async_context]
    async fn between(log: Log) {
        let _ = yield_resource!();
        while log.count("keeper ends") == 0 {
            yields(1).await;
        }
        // What doesn't wait for this is over meanwhile.
        yields(2_000).await;
        log.say("between ends");
    }

    /// The outer guard drops in its turn what was entered between the two. Whatever is around both waits for that.
    #[track_caller]
    fn with_one_between<F>(enter: impl FnOnce(Log) -> F + Send + 'static)
    where
        F: Future<Output = Box<dyn Any + Send>> + Send,
    {
        let log = log_of(|log| async {
            let around = tokio::spawn(async move {
                let Ok(around) = null_context(()).enter().await;
                let slot = Slot::default();
                let Ok(outer) = empties(log.clone(), slot.clone()).enter().await;
                let between = enter(log.clone()).await;
                *slot.lock().unwrap() = Some(between);
                let Ok(keeper) = keeps_and_spawns(log.clone(), outer).enter().await;
                drop(keeper);
                let Ok(()) = around.exit().await;
                log.say("around ends");
            });
            around.await.unwrap();
        });
        let mut said = log.lines();
        assert_eq!(said.pop().as_deref(), Some("around ends"), "{said:?}");
        // It may or may not wait for the keeper.
        said.sort_unstable();
        let expected = ["between ends", "emptied", "keeper begins", "keeper ends"];
        assert_eq!(said, expected);
    }

    /// That waits for the very rollback that drops the outer guard.
    #[test]
    fn an_outer_guard_that_drops_what_was_entered_between() {
        with_one_between(async |log| {
            let Ok(guard) = between(log).enter().await;
            Box::new(guard) as _
        });
    }

    /// That doesn't, and isn't in the lane of what is around.
    #[test]
    fn an_outer_guard_that_drops_what_another_task_has_entered_between() {
        with_one_between(async |log| {
            let Ok(guard) = tokio::spawn(between(log).enter()).await.unwrap();
            Box::new(guard) as _
        });
    }

    /// A stack counts as one: what is entered in it, and what that enters.
    #[test]
    fn a_guard_of_an_entry_of_a_stack() {
        #[async_context]
        async fn has_a_guard(log: Log) {
            let Ok(guard) = blocking(log.clone()).enter().await;
            let _ = yield_resource!();
            log.say("keeper begins");
            drop(guard);
            log.say("keeper ends");
        }
        let log = log_of(async |log| {
            let stack = ExitStack::<Infallible>::new();
            stack.enter(has_a_guard(log)).await.unwrap();
            drop(stack);
        });
        assert_eq!(log.lines(), ONE_IN_THE_OTHER);
    }
}
