//! Policy `block` where more contexts are cancelled at once than the runtime has threads: it goes on, and those that were too many are reported as lost.

use crate::blocking::{in_time, wait_for};
use contextlib::{async_context, yield_resource};
use contextlib_tests::{Census, Counted, Log, Reports, assert_nothing_pending};
use std::{future::pending, sync::mpsc, thread, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{AbortHandle, yield_now},
    time::sleep,
};

/// It is its runtime's timer that wakes it.
#[async_context(on_cancel = block)]
async fn inner(log: Log, census: Census) -> Counted {
    let mut resource = census.value("resource");
    let _ = yield_resource!(resource);
    sleep(Duration::from_millis(1)).await;
    log.say("inner torn down");
}

/// And then it blocks once more, which takes no other thread.
#[async_context(on_cancel = block)]
async fn outer(log: Log, census: Census) -> Counted {
    let Ok(inner) = inner(log.clone(), census.clone()).enter().await;
    let mut resource = census.value("outer resource");
    let _ = yield_resource!(resource);
    sleep(Duration::from_millis(1)).await;
    drop(inner);
    log.say("outer torn down");
}

#[async_context(on_cancel = block)]
async fn waits(log: Log, told: oneshot::Receiver<()>) {
    let _ = yield_resource!();
    log.say("begins");
    told.await.unwrap();
    log.say("torn down");
}

const LOST: &str =
    "its policy is `block`, and more contexts block at once than its runtime has threads";

fn runtime(workers: usize, others: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(others)
        .enable_all()
        .build()
        .unwrap()
}

/// A task that is inside it, for ever.
macro_rules! open {
    ($runtime:expr, $log:expr, $context:expr) => {{
        let (log, context) = ($log.clone(), $context);
        let task = $runtime.spawn(async move {
            let Ok(_guard) = context.enter().await;
            log.say("entered");
            pending::<()>().await
        });
        task.abort_handle()
    }};
}

#[test]
fn one_makes_room_for_the_others() {
    const TASKS: usize = 6;
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let (its_log, its_census) = (log.clone(), census.clone());
    in_time(move || {
        let (log, census) = (its_log, its_census);
        // As many contexts block here as there are workers, and no other thread is left but one that runs it.
        let other = runtime(2, 2);
        let other_log = Log::new();
        let (end, ended) = mpsc::channel::<()>();
        other.spawn_blocking(move || ended.recv());
        let tell = [1, 2].map(|number| {
            let (tell, told) = oneshot::channel();
            let task = open!(other, other_log, waits(other_log.clone(), told));
            wait_for(&other, &other_log, "entered", number);
            task.abort();
            wait_for(&other, &other_log, "begins", number);
            tell
        });

        let runtime = runtime(1, 1);
        let tasks: Vec<AbortHandle> = (0..TASKS)
            .map(|_| open!(runtime, log, outer(log.clone(), census.clone())))
            .collect();
        wait_for(&runtime, &log, "entered", TASKS);
        for task in &tasks {
            task.abort();
        }
        // It runs again, once it does that for a task.
        runtime.block_on(runtime.spawn(async {})).unwrap();
        runtime.block_on(async {
            while !census.alive().is_empty() {
                yield_now().await;
            }
        });

        for tell in tell {
            tell.send(()).unwrap();
        }
        wait_for(&other, &other_log, "torn down", 2);
        drop(end);
    });
    census.assert_balanced("torn down or lost");
    let torn_down = log.count("outer torn down");
    assert!(torn_down > 0, "all are lost");
    let reports = reports.take();
    let lost = |context| {
        let lost = format!("{context} lost its teardown: {LOST} after cancelled");
        reports.iter().filter(|report| **report == lost).count()
    };
    // A lost one's inner one is lost with it; and it may be an inner one that makes room, and the outer one goes on.
    let inner = log.count("inner torn down");
    assert!(inner > 0, "all inner ones are lost");
    assert_eq!(inner + lost("inner"), TASKS, "{reports:?}");
    assert!(inner <= torn_down, "{reports:?}");
    assert!(lost("outer") > 0, "there were threads enough");
    assert_eq!(torn_down + lost("outer"), TASKS, "{reports:?}");
    assert_eq!(reports.len(), lost("inner") + lost("outer"));
    assert_nothing_pending();
}

/// A thread that isn't the runtime's has all the time that it takes, though nothing runs there meanwhile.
#[test]
fn one_outside_need_not_make_room() {
    let reports = Reports::keep();
    let log = Log::new();
    let its_log = log.clone();
    in_time(move || {
        let runtime = runtime(1, 1);
        let (tell, told) = oneshot::channel();
        let Ok(guard) = runtime.block_on(waits(its_log, told).enter());
        let ((end, ended), (end_other, other_ended)) = (mpsc::channel::<()>(), mpsc::channel());
        runtime.spawn(async move { ended.recv() });
        runtime.spawn_blocking(move || other_ended.recv());
        thread::scope(|scope| {
            scope.spawn(|| drop(guard));
            // Longer than a standstill takes to be seen as one.
            thread::sleep(Duration::from_millis(5500));
            tell.send(()).unwrap();
        });
        drop::<[mpsc::Sender<()>; 2]>([end, end_other]);
    });
    assert_eq!(log.lines(), ["begins", "torn down"]);
    assert_eq!(reports.take(), [""; 0]);
    assert_nothing_pending();
}
