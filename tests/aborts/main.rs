//! Ten thousand tasks aborted at once. One test in a process of its own, since it looks at what the library keeps for the whole process.
#![forbid(unsafe_code)]

use contextlib::{
    async_context,
    background::{drain, lanes_in_use, pending},
    null_context, yield_resource,
};
use futures::FutureExt;
use std::{
    future::pending as forever,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task::{JoinSet, yield_now},
};

const TASKS: usize = 10_000;

/// What one task has come to.
#[derive(Default)]
struct Task {
    open: AtomicUsize,
    closed: AtomicUsize,
    disorder: AtomicUsize,
}

/// One that is torn down when all inner ones are, else that is noted. The inner ones take longer.
#[async_context]
async fn layer(task: Arc<Task>) {
    let depth = task.open.fetch_add(1, SeqCst);
    let _ = yield_resource!();
    if task.open.load(SeqCst) != depth + 1 {
        task.disorder.fetch_add(1, SeqCst);
    }
    for _ in 0..=depth {
        yield_now().await;
    }
    task.open.fetch_sub(1, SeqCst);
    task.closed.fetch_add(1, SeqCst);
}

/// How a task is inside two contexts.
#[derive(Clone, Copy, Debug)]
enum Style {
    With,
    Guards,
    /// A guard around a `with`.
    Mixed,
}

async fn inside_of_two(style: Style, task: Arc<Task>) {
    let (outer, inner) = (layer(task.clone()), layer(task));
    match style {
        Style::With => {
            outer
                .run(async |_| inner.run(async |_| forever::<()>().await).await)
                .await;
        }
        Style::Guards => {
            let Ok(_outer) = outer.enter().await;
            let Ok(_inner) = inner.enter().await;
            forever::<()>().await;
        }
        Style::Mixed => {
            let Ok(_outer) = outer.enter().await;
            inner.run(async |_| forever::<()>().await).await;
        }
    }
}

/// Aborts all of them at once; nothing may be lost, nor in disorder.
async fn abort_all(style: Style, shut_down: bool) {
    let tasks: Vec<Arc<Task>> = (0..TASKS).map(|_| Arc::default()).collect();
    let mut running = JoinSet::new();
    for task in &tasks {
        running.spawn(inside_of_two(style, task.clone()));
    }
    while tasks.iter().any(|task| task.open.load(SeqCst) < 2) {
        yield_now().await;
    }
    if shut_down {
        running.shutdown().await;
    } else {
        // Their teardowns begin while others are still being aborted.
        running.abort_all();
        while running.join_next().await.is_some() {}
    }
    drain().await;
    for task in tasks {
        assert_eq!(task.closed.load(SeqCst), 2, "{style:?}");
        assert_eq!(task.disorder.load(SeqCst), 0, "{style:?}");
        assert_eq!(task.open.load(SeqCst), 0, "{style:?}");
    }
    assert_eq!((pending(), lanes_in_use()), (0, 0), "{style:?}");
}

/// Contexts whose teardowns are awaited, but have to wait for a rollback first.
async fn exit_after_rollbacks(style: Style) {
    let task = Arc::<Task>::default();
    let (outer, inner) = (layer(task.clone()), layer(task.clone()));
    match style {
        Style::With => {
            outer
                .run(async |_| {
                    let Ok(_inner) = inner.enter().await;
                })
                .await;
        }
        Style::Guards => {
            let Ok(outer) = outer.enter().await;
            let Ok(inner) = inner.enter().await;
            drop(inner);
            let Ok(()) = outer.exit().await;
        }
        Style::Mixed => {
            let Ok(outer) = outer.enter().await;
            let inner = inner.run(async |_| forever::<()>().await);
            assert_eq!(inner.now_or_never(), None);
            let Ok(()) = outer.exit().await;
        }
    }
    assert_eq!(task.closed.load(SeqCst), 2, "{style:?}");
    assert_eq!(task.disorder.load(SeqCst), 0, "{style:?}");
    drain().await;
}

#[async_context]
async fn takes_until(end: Arc<Notify>) {
    let _ = yield_resource!();
    end.notified().await;
}

#[async_context]
async fn spawned() {
    let _ = yield_resource!();
}

/// While a rollback is pending, it is known of each body which one it is inside: until it is over, or nothing is pending any more.
async fn bodies_inside_of_bodies() {
    let end = Arc::new(Notify::new());
    let Ok(guard) = takes_until(end.clone()).enter().await;
    drop(guard);
    let one = lanes_in_use();
    let inside = async |ends: bool| {
        let inner = async |_: &mut ()| match ends {
            true => assert_eq!(lanes_in_use(), one + 1),
            false => forever().await,
        };
        null_context(())
            .run(async |_| spawned().run(inner).await)
            .await;
    };
    for _ in 0..3 {
        inside(true).await;
        assert_eq!(inside(false).now_or_never(), None);
        while pending() > 1 {
            yield_now().await;
        }
        assert_eq!(lanes_in_use(), one);
    }
    let body = async |_: &mut ()| {
        assert_eq!(lanes_in_use(), one + 1);
        end.notify_one();
        drain().await;
        assert_eq!(lanes_in_use(), 0);
    };
    let outer = null_context(());
    outer.run(async |_| null_context(()).run(body).await).await;
    assert_eq!(lanes_in_use(), 0);
}

const STYLES: [Style; 3] = [Style::With, Style::Guards, Style::Mixed];

fn run(runtime: &Runtime, style: Style, shut_down: bool) {
    // As the tasks' own, not as the root future, which has a lane of another kind.
    let all = async move { tokio::spawn(abort_all(style, shut_down)).await.unwrap() };
    runtime.block_on(all);
}

#[test]
fn ten_thousand_tasks_aborted_at_once() {
    let here = Builder::new_current_thread().build().unwrap();
    for style in STYLES {
        // Once to make room in the runtime's own queues, which keep it.
        run(&here, style, true);
        let memory = allocation_counter::measure(|| run(&here, style, false));
        assert_eq!(memory.bytes_current, 0, "{style:?}: memory left");
        assert_eq!(memory.count_current, 0, "{style:?}: allocations left");
    }
    for style in STYLES {
        let exit = || here.block_on(async { tokio::spawn(exit_after_rollbacks(style)).await });
        exit().unwrap();
        let memory = allocation_counter::measure(|| exit().unwrap());
        assert_eq!(memory.count_current, 0, "{style:?}: allocations left");
    }
    here.block_on(async { tokio::spawn(bodies_inside_of_bodies()).await })
        .unwrap();
    let everywhere = Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    for style in STYLES {
        run(&everywhere, style, false);
        run(&everywhere, style, true);
    }
}
