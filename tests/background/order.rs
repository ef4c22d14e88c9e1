//! Inner before outer: Python's order, however the inner one's rollback was started.

use crate::shared::{Broken, Log, closed, gated, giving_back, poll_once, quick, settle, slow};
use contextlib::{
    AsyncContext, BoxGuard, ContextManager, ExitStack, IntoContextManager, async_context,
    async_with,
    background::{drain, lane, pending},
    kind::Fallible,
    null_context, yield_resource,
};
use futures::{FutureExt, future::BoxFuture};
use std::{
    cell::RefCell,
    future::pending as forever,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, oneshot},
    task::{JoinSet, yield_now},
    time::timeout,
};

#[tokio::test]
async fn nested_with_dropped() {
    let log = Log::default();
    let three = quick(log.clone(), "a").with(async |_| {
        slow(log.clone(), "b")
            .with(async |_| {
                slow(log.clone(), "c")
                    .with(async |_| -> Result<(), Broken> { forever().await })
                    .await
            })
            .await
    });
    assert!(poll_once(three).await.is_none());
    drain().await;
    assert_eq!(log.said(), "+a, +b, +c, -c, -b, -a Cancelled");
}

#[tokio::test]
async fn guards_in_one_scope_dropped() {
    let log = Log::default();
    let scope = async {
        let _a = quick(log.clone(), "a").enter().await?;
        let _b = slow(log.clone(), "b").enter().await?;
        let _c = slow(log.clone(), "c").enter().await?;
        Err(Broken)
    };
    let failed: Result<(), Broken> = scope.await;
    assert_eq!(failed, Err(Broken));
    assert_eq!(pending(), 3);
    drain().await;
    assert_eq!(log.said(), "+a, +b, +c, -c, -b, -a Cancelled");
}

#[tokio::test]
async fn guards_dropped_in_the_wrong_order_are_still_rolled_back_inner_first() {
    let log = Log::default();
    let a = quick(log.clone(), "a").enter().await.unwrap();
    let b = slow(log.clone(), "b").enter().await.unwrap();
    drop(a);
    drop(b);
    drain().await;
    assert_eq!(log.said(), "+a, +b, -b, -a Cancelled");
}

#[async_context]
async fn numbered(over: Arc<Mutex<Vec<usize>>>, number: usize) {
    let _ = yield_resource!();
    // The inner ones take longer, so that whatever could overtake them does.
    for _ in 0..number % 3 {
        yield_now().await;
    }
    over.lock().unwrap().push(number);
}

/// A number without a pattern.
fn scattered(number: usize) -> usize {
    number.wrapping_mul(0x9E37_79B9) % 65_537
}

#[tokio::test]
async fn any_number_of_guards_dropped_in_any_order() {
    // A lane keeps few rollbacks in another way than many.
    for count in [2, 3, 17, 255, 256, 257, 258, 700] {
        let over = Arc::new(Mutex::new(Vec::new()));
        let Ok(outermost) = numbered(over.clone(), 0).enter().await;
        let mut guards = Vec::new();
        for number in 1..=count {
            let Ok(guard) = numbered(over.clone(), number).enter().await;
            guards.push((scattered(number), guard));
        }
        guards.sort_by_key(|(order, _)| *order);
        drop(guards);
        assert_eq!(pending(), count);
        let Ok(()) = outermost.exit().await;
        let expected: Vec<usize> = (0..=count).rev().collect();
        assert_eq!(*over.lock().unwrap(), expected);
        assert_eq!(pending(), 0);
    }
}

#[tokio::test]
async fn an_outer_guard_that_is_exited_waits_for_an_inner_one_that_was_dropped() {
    async fn work(log: Log) -> Result<(), Broken> {
        let _inner = slow(log, "inner").enter().await?;
        Err(Broken)
    }
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    assert!(work(log.clone()).await.is_err());
    outer.exit().await.unwrap();
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
}

#[tokio::test(start_paused = true)]
async fn an_outer_with_that_is_awaited_waits_for_an_inner_one_that_timed_out() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let inner =
            slow(log.clone(), "inner").with(async |_| -> Result<(), Broken> { forever().await });
        assert!(timeout(Duration::from_millis(1), inner).await.is_err());
        log.say("timed out");
        Ok(())
    });
    outer.await.unwrap();
    assert_eq!(
        log.said(),
        "+outer, +inner, timed out, -inner, -outer Completed"
    );
}

#[tokio::test]
async fn an_outer_with_that_is_awaited_waits_for_a_guard_that_was_dropped_by_an_error() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let _inner = slow(log.clone(), "inner").enter().await?;
        Err(Broken)
    });
    assert!(outer.await.is_err());
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Failed(Broken)");
}

/// A body around which `drop` is the policy leaves no rollback of its own; what was started below it is still awaited above it.
#[async_context(on_cancel = drop)]
async fn dropped(log: Log, name: &'static str) -> Result<(), Broken> {
    log.say(format_args!("+{name}"));
    let _ = yield_resource!();
}

#[tokio::test]
async fn a_context_in_the_middle_that_is_only_dropped_hides_nothing() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let middle = dropped(log.clone(), "middle").with(async |_| {
            slow(log.clone(), "inner")
                .with(async |_| -> Result<(), Broken> { forever().await })
                .await
        });
        assert!(poll_once(middle).await.is_none());
        Ok(())
    });
    outer.await.unwrap();
    assert_eq!(
        log.said(),
        "+outer, +middle, +inner, -inner, -outer Completed"
    );
}

/// A guard that a context which is only dropped has held around its body.
#[tokio::test]
async fn what_is_held_by_a_context_that_is_only_dropped_is_around_its_body() {
    #[async_context(on_cancel = drop)]
    async fn session(log: &Log) -> Result<(), Broken> {
        let database = quick(log.clone(), "database").enter().await?;
        let _ = yield_resource!();
        database.exit().await?;
    }
    async fn fails(log: &Log, guard: bool) -> Result<(), Broken> {
        let transaction = slow(log.clone(), "transaction");
        if guard {
            let _transaction = transaction.enter().await?;
            forever().await
        } else {
            transaction.with(async |_| forever().await).await
        }
    }
    for guard in [true, false] {
        let log = &Log::default();
        let uses: [BoxFuture<'_, Result<(), Broken>>; 4] = [
            Box::pin(session(log).with(async |_| fails(log, guard).await)),
            Box::pin(session(log).boxed().with(async |_| fails(log, guard).await)),
            Box::pin(async_with!(_ = session(log), async {
                fails(log, guard).await
            })),
            Box::pin((session(log), null_context(())).with(async |_| fails(log, guard).await)),
        ];
        for (used, mut using) in uses.into_iter().enumerate() {
            let before = log.lines().len();
            assert!(futures::poll!(using.as_mut()).is_pending());
            drop(using);
            drain().await;
            assert_eq!(
                log.lines()[before..].join(", "),
                "+database, +transaction, -transaction, -database Cancelled",
                "guard: {guard}, {used}"
            );
        }
    }
}

#[tokio::test]
async fn an_outer_guard_too() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let middle = dropped(log.clone(), "middle").with(async |_| {
        let _inner = slow(log.clone(), "inner").enter().await?;
        forever::<Result<(), Broken>>().await
    });
    assert!(poll_once(middle).await.is_none());
    outer.exit().await.unwrap();
    assert_eq!(
        log.said(),
        "+outer, +middle, +inner, -inner, -outer Completed"
    );
}

/// A context that ends its body after `limit`.
#[async_context]
async fn limited(log: Log, limit: Duration) -> Result<(), Broken> {
    let ended = timeout(limit, async { yield_resource!(move ()).1.kind() }).await;
    log.say("limited goes on");
    ended.map_err(|_| Broken)?;
}

#[tokio::test(start_paused = true)]
async fn a_context_that_drops_its_body_is_over_only_when_what_it_dropped_is() {
    let log = Log::default();
    let limited = limited(log.clone(), Duration::from_millis(1)).with(async |_| {
        slow(log.clone(), "inner")
            .with(async |_| -> Result<(), Broken> { forever().await })
            .await
    });
    assert_eq!(limited.await, Err(Broken));
    log.say("over");
    assert_eq!(log.said(), "+inner, limited goes on, -inner, over");
}

#[tokio::test(start_paused = true)]
async fn also_when_it_is_cancelled_itself_while_it_waits_for_that() {
    let log = Log::default();
    let gate = closed();
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let limited = limited(log.clone(), Duration::from_millis(1)).with(async |_| {
            gated(log.clone(), "inner", gate.clone())
                .with(async |_| -> Result<(), Broken> { forever().await })
                .await
        });
        assert!(timeout(Duration::from_millis(2), limited).await.is_err());
        Ok(())
    });
    let opened = async {
        settle().await;
        tokio::time::sleep(Duration::from_millis(9)).await;
        gate.add_permits(1);
    };
    let (outer, ()) = tokio::join!(outer, opened);
    outer.unwrap();
    assert_eq!(
        log.said(),
        "+outer, +inner, limited goes on, ~inner, -inner, -outer Completed"
    );
}

/// A context within whose own body the yield point lies: it ends its body by a context, not by a future.
#[async_context]
async fn limited_by_a_context(log: Log, limit: Duration) -> Result<(), Broken> {
    let within = limited(log.clone(), limit);
    let ended = within
        .with(async move |_| -> Result<(), Broken> {
            let ((), _) = yield_resource!(move ());
            Ok(())
        })
        .await;
    log.say("statement after it");
    ended?;
}

#[tokio::test(start_paused = true)]
async fn a_yield_point_inside_an_inner_context_is_below_that_context() {
    let log = Log::default();
    let outer = limited_by_a_context(log.clone(), Duration::from_millis(1)).with(async |_| {
        let _inner = slow(log.clone(), "inner").enter().await?;
        forever::<Result<(), Broken>>().await
    });
    assert_eq!(outer.await, Err(Broken));
    assert_eq!(
        log.said(),
        "+inner, limited goes on, -inner, statement after it"
    );
}

/// What the body has dropped may be older than that context, which need not wait for it; for the rest it does.
#[tokio::test(start_paused = true)]
async fn also_if_an_older_guard_was_dropped_in_the_body() {
    /// Another task enters the guard during its setup.
    #[async_context]
    async fn outer(log: Log, begun: Arc<Semaphore>, gate: Arc<Semaphore>) -> Result<(), Broken> {
        begun.add_permits(1);
        gate.acquire().await.unwrap().forget();
        let within = limited(log.clone(), Duration::from_millis(1));
        let ended = within
            .with(async move |_| -> Result<(), Broken> {
                let ((), _) = yield_resource!(move ());
                Ok(())
            })
            .await;
        log.say("statement after it");
        ended?;
    }
    let log = Log::default();
    let (begun, gate, stuck) = (closed(), closed(), closed());
    let (give, older) = oneshot::channel();
    let entered = tokio::spawn({
        let (log, begun, gate, stuck) = (log.clone(), begun.clone(), gate.clone(), stuck.clone());
        async move {
            begun.acquire().await.unwrap().forget();
            let older = gated(log, "older", stuck).enter().await.unwrap();
            assert!(give.send(older).is_ok());
            gate.add_permits(1);
        }
    });
    let ended = outer(log.clone(), begun, gate).with(async |_| {
        drop(older.await);
        let _inner = slow(log.clone(), "inner").enter().await?;
        forever::<Result<(), Broken>>().await
    });
    let opened = async {
        settle().await;
        tokio::time::sleep(Duration::from_millis(9)).await;
        stuck.add_permits(1);
    };
    let (ended, ()) = tokio::join!(ended, opened);
    assert_eq!(ended, Err(Broken));
    entered.await.unwrap();
    assert_eq!(
        log.said(),
        "+older, +inner, ~older, limited goes on, -inner, statement after it, -older"
    );
}

#[tokio::test]
async fn a_task_that_is_aborted() {
    let log = Log::default();
    let (entered, has_entered) = oneshot::channel();
    let task = tokio::spawn({
        let log = log.clone();
        async move {
            let _guard = quick(log.clone(), "a").enter().await?;
            slow(log.clone(), "b")
                .with(async |_| {
                    let _c = slow(log.clone(), "c").enter().await?;
                    let _d = slow(log.clone(), "d").enter().await?;
                    entered.send(()).unwrap();
                    forever::<Result<(), Broken>>().await
                })
                .await
        }
    });
    has_entered.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drain().await;
    assert_eq!(log.said(), "+a, +b, +c, +d, -d, -c, -b, -a Cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_set_that_is_shut_down() {
    let logs: Vec<Log> = (0..50).map(|_| Log::default()).collect();
    let mut tasks = JoinSet::new();
    for log in logs.clone() {
        tasks.spawn(async move {
            let _a = quick(log.clone(), "a").enter().await?;
            slow(log.clone(), "b")
                .with(async |_| {
                    let _c = slow(log.clone(), "c").enter().await?;
                    forever::<Result<(), Broken>>().await
                })
                .await
        });
    }
    while logs.iter().any(|log| log.lines().len() < 3) {
        yield_now().await;
    }
    tasks.shutdown().await;
    drain().await;
    for log in logs {
        assert_eq!(log.said(), "+a, +b, +c, -c, -b, -a Cancelled");
    }
}

#[tokio::test]
async fn a_future_dropped_on_another_thread() {
    let log = Log::default();
    let mut future = Box::pin({
        let log = log.clone();
        async move {
            let _a = quick(log.clone(), "a").enter().await?;
            slow(log.clone(), "b")
                .with(async |_| {
                    let _c = slow(log.clone(), "c").enter().await?;
                    forever::<Result<(), Broken>>().await
                })
                .await
        }
    });
    assert!(futures::poll!(future.as_mut()).is_pending());
    // That thread has no runtime: each goes to the one that it was entered on.
    thread::spawn(move || drop(future)).join().unwrap();
    assert_eq!(pending(), 3);
    drain().await;
    assert_eq!(log.said(), "+a, +b, +c, -c, -b, -a Cancelled");
}

/// A future that one task has begun and another one ends: what it entered in the second is below what it entered in the first.
#[tokio::test]
async fn a_future_that_moves_from_task_to_task() {
    for cancelled in [false, true] {
        let log = Log::default();
        let mut work = Box::pin({
            let log = log.clone();
            async move {
                let outer = quick(log.clone(), "outer").enter().await?;
                yield_now().await;
                let inner = slow(log.clone(), "inner").enter().await?;
                if cancelled {
                    forever::<()>().await;
                }
                drop(inner);
                outer.exit().await
            }
        });
        #[expect(clippy::async_yields_async, reason = "it is the one that moves")]
        let begun = tokio::spawn(async move {
            assert!(futures::poll!(work.as_mut()).is_pending());
            work
        });
        let work = begun.await.unwrap();
        let ended = tokio::spawn(work);
        if cancelled {
            settle().await;
            ended.abort();
            assert!(ended.await.is_err());
            drain().await;
            assert_eq!(log.said(), "+outer, +inner, -inner, -outer Cancelled");
        } else {
            ended.await.unwrap().unwrap();
            assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
        }
    }
}

#[tokio::test]
async fn a_guard_returned_from_a_body_is_below_what_was_entered_before_it() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let inner = slow(log.clone(), "around")
        .with(async |_| slow(log.clone(), "inner").enter().await)
        .await
        .unwrap();
    drop(inner);
    outer.exit().await.unwrap();
    assert_eq!(
        log.said(),
        "+outer, +around, +inner, -around, -inner, -outer Completed"
    );
}

#[tokio::test]
async fn a_task_that_is_given_guards() {
    let log = Log::default();
    let given = slow(log.clone(), "given").enter().await.unwrap();
    let task = tokio::spawn({
        let log = log.clone();
        async move {
            let outer = quick(log.clone(), "task").enter().await?;
            let own = slow(log.clone(), "own").enter().await?;
            drop(given);
            drop(own);
            outer.exit().await
        }
    });
    task.await.unwrap().unwrap();
    drain().await;
    let said = log.said();
    assert!(said.contains("-own, -task Completed"), "{said}");
    assert!(said.contains("-given"), "{said}");
}

/// The root future of `block_on` has no task.
#[test]
fn the_root_future_of_block_on() {
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        assert!(tokio::task::try_id().is_none());
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        let a = slow(log.clone(), "a").enter().await.unwrap();
        let b = slow(log.clone(), "b").enter().await.unwrap();
        drop((a, b));
        outer.exit().await.unwrap();
    });
    assert_eq!(log.said(), "+outer, +a, +b, -b, -a, -outer Completed");
}

/// The same guard entered in one `block_on`, exited in the next.
#[test]
fn guards_that_outlive_their_block_on() {
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let outer = runtime
        .block_on(quick(log.clone(), "outer").enter())
        .unwrap();
    let inner = runtime
        .block_on(slow(log.clone(), "inner").enter())
        .unwrap();
    drop(inner);
    runtime.block_on(outer.exit()).unwrap();
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
}

#[tokio::test]
async fn a_lane_is_below_what_is_around_it() {
    // Around it: a body.
    let log = Log::default();
    let branch = |name| {
        let log = log.clone();
        async move {
            let _guard = slow(log, name).enter().await?;
            Err::<(), Broken>(Broken)
        }
    };
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let _failed = tokio::join!(lane(branch("a")), lane(branch("b")));
        Ok(())
    });
    outer.await.unwrap();
    assert_eq!(log.said(), "+outer, +a, +b, -a, -b, -outer Completed");

    // A guard.
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let dropped = lane(async {
        let _guard = slow(log.clone(), "inner").enter().await?;
        forever::<Result<(), Broken>>().await
    });
    assert!(poll_once(dropped).await.is_none());
    outer.exit().await.unwrap();
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");

    // Another lane.
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let inner = lane(lane(async {
        let _guard = slow(log.clone(), "inner").enter().await?;
        Err::<(), Broken>(Broken)
    }));
    assert!(inner.await.is_err());
    outer.exit().await.unwrap();
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
}

/// What it has started is waited for as soon as it is over, whoever still has it.
#[tokio::test]
async fn a_lane_that_is_over_is_below_what_is_around_it_before_it_is_dropped() {
    // In a body.
    let log = Log::default();
    let mut branch = pin!(lane(async {
        drop(slow(log.clone(), "inner").enter().await.unwrap());
    }));
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        branch.as_mut().await;
        Ok(())
    });
    outer.await.unwrap();
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");

    // Beside a guard.
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let mut branch = pin!(lane(async {
        drop(slow(log.clone(), "inner").enter().await.unwrap());
    }));
    branch.as_mut().await;
    outer.exit().await.unwrap();
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");

    // It is over like any other future.
    let again = AssertUnwindSafe(branch.as_mut()).catch_unwind();
    assert!(again.await.is_err());
}

type Branch = Pin<Box<dyn Future<Output = ()>>>;

/// Futures each of which began inside the one before, and is polled by itself since: however many they are, that takes no long stack. The last one has
/// dropped a guard.
async fn row(length: usize, log: &Log, around: fn(Branch) -> Branch) -> Vec<Branch> {
    let next = Rc::new(RefCell::new(None::<Branch>));
    let link = || {
        let (next, log) = (next.clone(), log.clone());
        around(Box::pin(async move {
            yield_now().await;
            let inside = next.take();
            match inside {
                None => drop(slow(log, "inner").enter().await.unwrap()),
                Some(mut inside) => {
                    assert!(futures::poll!(inside.as_mut()).is_pending());
                    next.replace(Some(inside));
                }
            }
            forever().await
        }))
    };
    let mut row = vec![link()];
    assert!(futures::poll!(row[0].as_mut()).is_pending());
    for last in 0..length {
        next.replace((last + 1 < length).then(link));
        assert!(futures::poll!(row[last].as_mut()).is_pending());
        row.extend(next.take());
    }
    row
}

/// Each one is left to the one around it, and so is over because the one inside it is.
#[test]
fn a_long_row_of_lanes_needs_no_long_stack() {
    fn in_lane(inside: Branch) -> Branch {
        Box::pin(lane(inside))
    }
    fn in_body(inside: Branch) -> Branch {
        Box::pin(async move {
            let body = async |_: &mut ()| -> Result<(), Broken> {
                inside.await;
                Ok(())
            };
            let ended = dropped(Log::default(), "").with_local(body).await;
            ended.unwrap();
        })
    }
    let with_a_small_stack = thread::Builder::new().stack_size(512 << 10);
    let test = with_a_small_stack.spawn(|| {
        let test = async {
            for around in [in_body, in_lane] {
                let log = Log::default();
                let outer = quick(log.clone(), "outer").enter().await.unwrap();
                let mut row = row(20_000, &log, around).await;
                while let Some(innermost) = row.pop() {
                    drop(innermost);
                }
                assert_eq!(log.said(), "+outer, +inner");
                outer.exit().await.unwrap();
                assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
                assert_eq!(pending(), 0);
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(test);
    });
    test.unwrap().join().unwrap();
}

/// A rollback of it runs where it is dropped.
#[async_context(on_cancel = block)]
async fn blocking() {
    let _ = yield_resource!();
    yield_now().await;
}

/// Its teardown has a rollback inside its own, and exits what was entered before it.
#[async_context]
async fn has_one_inside(
    log: Log,
    outer: BoxGuard<'static, (), Broken>,
    go: Arc<Semaphore>,
) -> Result<(), Broken> {
    let _ = yield_resource!();
    go.acquire().await.unwrap().forget();
    let Ok(inside) = blocking().enter().await;
    drop(inside);
    outer.exit().await?;
    log.say("-has_one_inside");
}

/// What is entered around a rollback isn't waited for in it, neither after another rollback has run inside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_inside_of_a_rollback() {
    let (log, go, gate) = (Log::default(), closed(), closed());
    let outer = quick(log.clone(), "outer").boxed().enter().await.unwrap();
    let context = has_one_inside(log.clone(), outer, go.clone());
    drop(context.enter().await.unwrap());
    let later = gated(log.clone(), "later", gate.clone());
    drop(later.enter().await.unwrap());
    go.add_permits(1);
    let over = async {
        while !log.said().contains("-has_one_inside") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = timeout(Duration::from_secs(10), over).await;
    assert!(waited.is_ok(), "it waits: {}", log.said());
    gate.add_permits(1);
    drain().await;
    assert!(log.said().ends_with("-later"), "{}", log.said());
}

/// A context that enters others in its setup, keeps one over its yield point and drops one in its teardown.
#[async_context]
async fn with_parts(log: Log, name: &'static str) -> Result<(), Broken> {
    let _kept = slow(log.clone(), "kept").enter().await?;
    log.say(format_args!("+{name}"));
    let _ = yield_resource!();
    let _late = slow(log.clone(), "late").enter().await?;
    log.say(format_args!("-{name}"));
}

#[tokio::test]
async fn what_a_rollback_drops_is_over_before_the_next_one() {
    // The outer one is rolled back, too.
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let inner = with_parts(log.clone(), "inner").enter().await.unwrap();
    drop(inner);
    drop(outer);
    drain().await;
    let parts = "+outer, +kept, +inner, +late, -inner, -late, -kept";
    assert_eq!(log.said(), format!("{parts}, -outer Cancelled"));

    // The outer one is awaited.
    let log = Log::default();
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let _inner = with_parts(log.clone(), "inner").enter().await?;
        Err(Broken)
    });
    assert!(outer.await.is_err());
    assert_eq!(log.said(), format!("{parts}, -outer Failed(Broken)"));
}

#[tokio::test]
async fn what_an_awaited_teardown_drops_is_over_before_the_next_one() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let inner = with_parts(log.clone(), "inner").enter().await.unwrap();
    inner.exit().await.unwrap();
    outer.exit().await.unwrap();
    assert_eq!(
        log.said(),
        "+outer, +kept, +inner, +late, -inner, -late, -kept, -outer Completed"
    );
}

#[tokio::test]
async fn unrelated_tasks_do_not_wait_for_each_other() {
    let log = Log::default();
    let gate = closed();
    let stuck = tokio::spawn({
        let (log, gate) = (log.clone(), gate.clone());
        async move { drop(gated(log, "stuck", gate).enter().await.unwrap()) }
    });
    stuck.await.unwrap();
    settle().await;
    let other = tokio::spawn({
        let log = log.clone();
        async move { quick(log, "other").enter().await.unwrap().exit().await }
    });
    other.await.unwrap().unwrap();
    // Nor does what this very task does.
    quick(log.clone(), "own")
        .with(async |_| -> Result<(), Broken> { Ok(()) })
        .await
        .unwrap();
    assert_eq!(
        log.said(),
        "+stuck, ~stuck, +other, -other Completed, +own, -own Completed"
    );
    gate.add_permits(1);
    drain().await;
    assert_eq!(Arc::strong_count(&gate), 1);
}

/// Two contexts, to be entered in this order. The first one gives back what the teardown of the other one needs.
fn giving_and_needing(
    log: &Log,
) -> (
    ContextManager<
        impl AsyncContext<Resource = (), Kind = Fallible<Broken>> + Send + 'static + use<>,
    >,
    ContextManager<
        impl AsyncContext<Resource = (), Kind = Fallible<Broken>> + Send + 'static + use<>,
    >,
) {
    let permits = Arc::new(Semaphore::new(1));
    let permit = permits.clone().try_acquire_owned().unwrap();
    (
        giving_back(log.clone(), permit),
        gated(log.clone(), "needing", permits),
    )
}

/// A task that others hand their guards over to, to be dropped: each of those rollbacks has its own task's order, whoever drops it.
#[tokio::test(start_paused = true)]
async fn guards_of_unrelated_tasks_dropped_in_a_third_one_do_not_wait_for_each_other() {
    for first_dropped_first in [true, false] {
        let log = Log::default();
        let gate = closed();
        let (giving, needing) = giving_and_needing(&log);
        let giving = tokio::spawn(giving.enter()).await.unwrap().unwrap();
        let needing = tokio::spawn(needing.enter()).await.unwrap().unwrap();
        // What the third task has around and between them waits, or is waited for.
        let janitor = tokio::spawn({
            let (log, gate) = (log.clone(), gate.clone());
            async move {
                let outer = quick(log.clone(), "outer").enter().await.unwrap();
                let inner = gated(log, "inner", gate).enter().await.unwrap();
                if first_dropped_first {
                    drop(giving);
                    drop(needing);
                } else {
                    drop(needing);
                    drop(giving);
                }
                drop(inner);
                outer.exit().await
            }
        });
        gate.add_permits(1);
        let ended = timeout(Duration::from_secs(9), janitor).await;
        ended.expect("a dead-lock").unwrap().unwrap();
        let drained = timeout(Duration::from_secs(9), drain()).await;
        drained.expect("a dead-lock");
        let said = log.said();
        assert!(said.contains("-giving, "), "{said}");
        assert!(said.contains("-needing"), "{said}");
    }
}

#[tokio::test]
async fn the_exit_of_a_guard_in_a_third_task_does_not_wait_for_one_of_an_unrelated_task() {
    let log = Log::default();
    let (giving, needing) = giving_and_needing(&log);
    let giving = tokio::spawn(giving.enter()).await.unwrap().unwrap();
    let needing = tokio::spawn(needing.enter()).await.unwrap().unwrap();
    let janitor = tokio::spawn(async move {
        drop(needing);
        giving.exit().await
    });
    let ended = timeout(Duration::from_secs(9), janitor).await;
    ended.expect("a dead-lock").unwrap().unwrap();
    drain().await;
    let said = log.said();
    assert!(said.contains("-giving, "), "{said}");
    assert!(said.ends_with("-needing"), "{said}");
}

/// As one for each session in a map.
#[tokio::test]
async fn guards_that_were_entered_in_a_lane_each_do_not_wait_for_each_other() {
    let log = Log::default();
    let (giving, needing) = giving_and_needing(&log);
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    let giving = lane(giving.enter()).await.unwrap();
    let needing = lane(needing.enter()).await.unwrap();
    drop(needing);
    let exit = timeout(Duration::from_secs(9), giving.exit()).await;
    exit.expect("a dead-lock").unwrap();
    // What was entered before them waits for both.
    outer.exit().await.unwrap();
    let said = log.said();
    assert!(said.contains("-giving, "), "{said}");
    assert!(said.ends_with("-needing, -outer Completed"), "{said}");
}

/// A stack is one unit, wherever its entries were entered and wherever it is dropped.
#[tokio::test]
async fn a_stack_that_two_tasks_fill_and_a_third_one_drops() {
    let log = Log::default();
    let filled = tokio::spawn({
        let log = log.clone();
        async move {
            let stack = ExitStack::<Broken>::new();
            let _: &mut () = stack.enter(quick(log.clone(), "a")).await.unwrap();
            let _: &mut () = stack.enter(slow(log, "b")).await.unwrap();
            stack
        }
    });
    let stack = filled.await.unwrap();
    let filled = tokio::spawn({
        let log = log.clone();
        async move {
            let _: &mut () = stack.enter(slow(log.clone(), "c")).await.unwrap();
            let _: &mut () = stack.enter(slow(log, "d")).await.unwrap();
            stack
        }
    });
    let stack = filled.await.unwrap();
    thread::spawn(move || drop(stack)).join().unwrap();
    drain().await;
    assert_eq!(log.said(), "+a, +b, +c, +d, -d, -c, -b, -a Cancelled");
}

/// What a rollback drops belongs together, as what is on a stack does.
#[tokio::test]
async fn what_two_tasks_have_entered_and_a_rollback_drops() {
    /// Its teardown drops what it was given, in order.
    #[async_context]
    async fn holds<A: Send + 'static, B: Send + 'static>(first: A, second: B) {
        let _ = yield_resource!();
        drop(first);
        drop(second);
    }

    let log = Log::default();
    let enter = |context: ContextManager<_>| async {
        let entered = tokio::spawn(async move { context.enter().await.unwrap() });
        entered.await.unwrap()
    };
    let a = enter(slow(log.clone(), "a")).await;
    let b = enter(slow(log.clone(), "b")).await;
    drop(holds(a, b).enter().await);
    drain().await;
    assert_eq!(log.said(), "+a, +b, -b, -a");
}

/// An awaited teardown is given up while an entry of its stack is being set up: the entries were begun in one lane, the last one is set up in another.
#[tokio::test]
async fn a_stack_in_a_teardown_whose_caller_goes_while_it_is_filled() {
    #[async_context]
    async fn paused(log: Log, name: &'static str) -> Result<(), Broken> {
        yield_now().await;
        log.say(format_args!("+{name}"));
        let _ = yield_resource!();
        for _ in 0..20 {
            yield_now().await;
        }
        log.say(format_args!("-{name}"));
    }
    #[async_context]
    async fn outer(log: Log) -> Result<(), Broken> {
        let _ = yield_resource!();
        let stack = ExitStack::<Broken>::new();
        let _: &mut () = stack.enter(quick(log.clone(), "a")).await?;
        let _: &mut () = stack.enter(quick(log.clone(), "b")).await?;
        let _: &mut () = stack.enter(paused(log.clone(), "c")).await?;
        Err(Broken)
    }
    let log = Log::default();
    let guard = outer(log.clone()).enter().await.unwrap();
    assert!(poll_once(guard.exit()).await.is_none());
    drain().await;
    assert_eq!(log.said(), "+a, +b, +c, -c, -b Cancelled, -a Cancelled");
}

#[tokio::test]
async fn guards_of_a_teardown_whose_caller_has_gone_half_way() {
    #[async_context]
    async fn outer(log: Log) -> Result<(), Broken> {
        let _ = yield_resource!();
        let _a = quick(log.clone(), "a").enter().await?;
        yield_now().await; // From here on it is a rollback.
        let _b = slow(log.clone(), "b").enter().await?;
        Err(Broken)
    }
    let log = Log::default();
    let with = outer(log.clone()).with(async |_| -> Result<(), Broken> { Ok(()) });
    assert!(poll_once(with).await.is_none());
    drain().await;
    assert_eq!(log.said(), "+a, +b, -b, -a Cancelled");
}

#[tokio::test]
async fn a_body_that_is_over_in_the_poll_in_which_its_context_drops_it() {
    #[async_context]
    async fn impatient(signal: Arc<Semaphore>) -> Result<(), Broken> {
        tokio::select! {
            biased;
            ((), exit) = async { yield_resource!(move ()) } => drop(exit.kind()),
            _ = signal.acquire() => {}
        }
        yield_now().await; // Its caller goes here.
        Err(Broken)
    }
    let (log, signal) = (Log::default(), closed());
    let outer = quick(log.clone(), "outer").with(async |_| -> Result<(), Broken> {
        let middle = impatient(signal.clone()).with(async |_| -> Result<(), Broken> {
            let _inner = slow(log.clone(), "inner").enter().await?;
            signal.add_permits(1);
            Err(Broken)
        });
        middle.await
    });
    assert!(poll_once(outer).await.is_none());
    drain().await;
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Cancelled");
}

/// A teardown that ends in one way or the other, after some time.
#[async_context]
async fn ends_badly(log: Log, panics: bool) -> Result<(), Broken> {
    let _ = yield_resource!();
    for _ in 0..20 {
        yield_now().await;
    }
    log.say("inner");
    assert!(!panics, "inner");
    Err(Broken)
}

/// However an inner rollback ends, the outer teardown runs, and not before that.
#[tokio::test]
async fn an_inner_rollback_that_fails_or_panics_keeps_no_outer_one_from_running() {
    for panics in [false, true] {
        // Both in the background.
        let log = Log::default();
        let with = quick(log.clone(), "outer").with(async |_| {
            let _inner = ends_badly(log.clone(), panics).enter().await?;
            forever::<Result<(), Broken>>().await
        });
        assert!(poll_once(with).await.is_none());
        drain().await;
        assert_eq!(log.said(), "+outer, inner, -outer Cancelled");
        // The outer one is awaited.
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        drop(ends_badly(log.clone(), panics).enter().await.unwrap());
        outer.exit().await.unwrap();
        assert_eq!(log.said(), "+outer, inner, -outer Completed");
    }
}

/// Whatever the outer ones are: they are awaited while an inner rollback, started by a timeout, is under way.
#[tokio::test(start_paused = true)]
async fn outer_teardowns_of_every_kind_wait_for_an_inner_one_that_timed_out() {
    async fn times_out(log: &Log) {
        let inner = slow(log.clone(), "inner").with(async |_| {
            let _innermost = slow(log.clone(), "innermost").enter().await?;
            forever::<Result<(), Broken>>().await
        });
        assert!(timeout(Duration::from_millis(1), inner).await.is_err());
        log.say("timed out");
    }
    let inside = "+outer, +inner, +innermost, timed out, -innermost, -inner, -outer";

    let log = Log::default();
    let guard = quick(log.clone(), "outer").enter().await.unwrap();
    times_out(&log).await;
    guard.exit_with(Err::<(), _>(Broken)).await.unwrap_err();
    assert_eq!(log.said(), format!("{inside} Failed(Broken)"));

    let log = Log::default();
    let guard = quick(log.clone(), "outer").enter().await.unwrap();
    times_out(&log).await;
    guard.cancel().await.unwrap();
    assert_eq!(log.said(), format!("{inside} Cancelled"));

    let log = Log::default();
    let stack = ExitStack::<Broken>::new();
    let _: &mut () = stack.enter(quick(log.clone(), "outer")).await.unwrap();
    times_out(&log).await;
    stack.exit().await.unwrap();
    assert_eq!(log.said(), format!("{inside} Completed"));

    let log = Log::default();
    let scope = ExitStack::<Broken>::scope(async |stack| {
        let _: &mut () = stack.enter(quick(log.clone(), "outer")).await?;
        times_out(&log).await;
        Err::<(), _>(Broken)
    });
    scope.await.unwrap_err();
    assert_eq!(log.said(), format!("{inside} Failed(Broken)"));

    let log = Log::default();
    let tuple = (quick(log.clone(), "outermost"), quick(log.clone(), "outer"));
    let tuple = tuple.into_context_manager();
    let body = async |_: &mut ((), ())| -> Result<(), Broken> {
        times_out(&log).await;
        Ok(())
    };
    tuple.with(body).await.unwrap();
    let all = format!("+outermost, {inside} Completed, -outermost Completed");
    assert_eq!(log.said(), all);

    let log = Log::default();
    let boxed = quick(log.clone(), "outer").boxed();
    let body = async |_: &mut ()| -> Result<(), Broken> {
        times_out(&log).await;
        Ok(())
    };
    boxed.with(body).await.unwrap();
    assert_eq!(log.said(), format!("{inside} Completed"));
}

/// A limit that the documentation of `background` names.
#[tokio::test]
async fn tasks_of_a_local_set_in_a_body_share_its_lane() {
    let log = Log::default();
    let local = tokio::task::LocalSet::new();
    let outer = quick(log.clone(), "outer").with_local(async |_| -> Result<(), Broken> {
        let task = async {
            let log = log.clone();
            let task = tokio::task::spawn_local(async move {
                drop(slow(log, "task").enter().await.unwrap());
            });
            task.await.unwrap();
        };
        local.run_until(task).await;
        Ok(())
    });
    outer.await.unwrap();
    assert_eq!(log.said(), "+outer, +task, -task, -outer Completed");
}

/// A guard that has left the lane it was entered in, and is dropped inside something that was entered after it. What is around that waits for it.
mod a_guard_that_has_left_its_lane {
    use super::*;
    use crate::shared::{drops, inner_of_a_task};

    /// Its teardown drops what it was given.
    #[async_context]
    async fn keeps<T: Send + 'static>(kept: T) -> Result<(), Broken> {
        let _ = yield_resource!();
        drop(kept);
    }

    /// Runs `between` inside an outer context, which is exited then.
    async fn inside(between: impl AsyncFnOnce(&Log)) {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        between(&log).await;
        let exit = timeout(Duration::from_secs(9), outer.exit()).await;
        exit.expect("a circle").unwrap();
        let said = log.said();
        assert!(said.ends_with("-inner, -outer Completed"), "{said}");
        drain().await;
        assert_eq!(pending(), 0);
    }

    #[tokio::test]
    async fn for_another_body() {
        inside(async |log| {
            let first = quick(log.clone(), "first");
            let inner = first.with(async |_| slow(log.clone(), "inner").enter().await);
            let inner = inner.await.unwrap();
            let second = quick(log.clone(), "second").with(async move |_| {
                let _inner = inner;
                forever::<Result<(), Broken>>().await
            });
            assert!(poll_once(second).await.is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn for_a_body_that_ends() {
        inside(async |log| {
            let inner = inner_of_a_task(log).await;
            let middle = quick(log.clone(), "middle").with(async |_| {
                drop(inner);
                Ok::<_, Broken>(())
            });
            middle.await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn for_another_lane() {
        inside(async |log| {
            let inner = lane(async { slow(log.clone(), "inner").enter().await.unwrap() }).await;
            lane(async { drop(inner) }).await;
        })
        .await;
    }

    #[tokio::test]
    async fn for_a_teardown() {
        inside(async |log| {
            let keeper = keeps(inner_of_a_task(log).await);
            keeper.with(async |_| Ok::<_, Broken>(())).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn for_a_rollback() {
        inside(async |log| drop(keeps(inner_of_a_task(log).await).enter().await.unwrap())).await;
    }

    type Slot = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

    /// Its teardown drops what is in the slot by then.
    #[async_context]
    async fn empties(slot: Slot) -> Result<(), Broken> {
        let _ = yield_resource!();
        let future = slot.lock().unwrap().take();
        drop(future);
    }

    /// Each of two contexts ends inside the other one, and would leave to it what the other has left: the guard is below whatever is around both.
    #[tokio::test]
    async fn for_two_that_end_in_each_other() {
        inside(async |log| {
            let inner = inner_of_a_task(log).await;
            let slot = Slot::default();
            let first = empties(slot.clone()).enter().await.unwrap();
            let second = null_context(()).run(async move |()| {
                drop(inner);
                drop(first);
                forever::<()>().await;
            });
            let mut second: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(second);
            assert!(poll_once(second.as_mut()).await.is_none());
            *slot.lock().unwrap() = Some(second);
            // The first one's rollback drops the second one, and ends.
            while slot.lock().unwrap().is_some() {
                yield_now().await;
            }
        })
        .await;
    }

    /// Lanes that end inside a rollback of what was entered in the innermost one, and so are left to each other in a circle: however many guards visit one of them, each
    /// goes round only once. (Went each of so many round again for each other one, that would take minutes.)
    #[tokio::test]
    async fn for_lanes_that_end_in_each_other() {
        /// Its teardown drops what it was given, and what is in the slot by then.
        #[async_context]
        async fn keeps_and_empties<T: Send + 'static>(kept: T, slot: Slot) -> Result<(), Broken> {
            let _ = yield_resource!();
            drop(kept);
            let future = slot.lock().unwrap().take();
            drop(future);
        }
        inside(async |log| {
            let mut guards = Vec::new();
            for _ in 0..60 {
                guards.push(inner_of_a_task(log).await);
            }
            let slot = Slot::default();
            let keeper = keeps_and_empties(guards, slot.clone());
            let (give, given) = oneshot::channel();
            let innermost = async {
                assert!(give.send(keeper.enter().await.unwrap()).is_ok());
                forever::<()>().await;
            };
            let mut lanes: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(lane(lane(innermost)));
            assert!(poll_once(lanes.as_mut()).await.is_none());
            *slot.lock().unwrap() = Some(lanes);
            let began = Instant::now();
            drop(given.await.unwrap());
            drain().await;
            assert!(began.elapsed() < Duration::from_secs(30), "it goes round");
        })
        .await;
    }

    /// The owner of the rollback's lane is gone: what the rollback leaves there is left further on.
    #[tokio::test]
    async fn for_a_rollback_in_a_lane_that_is_over() {
        /// Its teardown drops what it was given, once it may.
        #[async_context]
        async fn keeps_on<T: Send + 'static>(kept: T, gate: Arc<Semaphore>) -> Result<(), Broken> {
            let _ = yield_resource!();
            gate.acquire().await.unwrap().forget();
            drop(kept);
        }
        inside(async |log| {
            let gate = closed();
            let keeper = keeps_on(inner_of_a_task(log).await, gate.clone());
            let around = null_context(()).run(async |()| {
                let _keeper = keeper.enter().await.unwrap();
                forever::<()>().await;
            });
            // Twice, as it may be left more than once.
            let around = null_context(()).run(async |()| around.await);
            assert!(poll_once(around).await.is_none());
            gate.add_permits(1);
        })
        .await;
    }

    /// Many that go the same way, one after the other: each is left there once.
    #[tokio::test]
    async fn for_a_lane_that_is_left_with_many() {
        const MANY: usize = 30;
        #[async_context]
        async fn numbered(order: Arc<Mutex<Vec<usize>>>, number: usize) -> Result<(), Broken> {
            let _ = yield_resource!();
            for _ in 0..MANY - number {
                yield_now().await;
            }
            order.lock().unwrap().push(number);
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let outer = numbered(order.clone(), MANY).enter().await.unwrap();
        let mut guards = Vec::new();
        for number in 0..MANY {
            let entered = tokio::spawn(numbered(order.clone(), number).enter());
            guards.push(entered.await.unwrap().unwrap());
        }
        let mut around: BoxFuture<'_, ()> = Box::pin(async move {
            drop(guards);
            forever::<()>().await;
        });
        for _ in 0..5 {
            let inside = around;
            around = Box::pin(null_context(()).run(async |()| inside.await));
        }
        assert!(poll_once(around).await.is_none());
        outer.exit().await.unwrap();
        let expected = Vec::from_iter((0..MANY).rev().chain([MANY]));
        assert_eq!(*order.lock().unwrap(), expected);
        drain().await;
    }

    /// It is in order with what was entered in its own lane, before it was handed over or after that.
    #[tokio::test]
    async fn for_a_rollback_that_has_begun_before() {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        let (give, things) = oneshot::channel();
        let janitor = tokio::spawn(drops(things).enter());
        drop(janitor.await.unwrap().unwrap());
        yield_now().await;
        drop(slow(log.clone(), "inner").enter().await.unwrap());
        assert!(give.send(outer).is_ok());
        drain().await;
        assert_eq!(log.said(), "+outer, +inner, -inner, -outer Cancelled");
    }
}

/// What a context drops that is only dropped itself, as a stack's is.
#[tokio::test]
async fn a_scope_that_is_cancelled_between_its_entries() {
    /// Its teardown drops a guard that it was given.
    #[async_context]
    async fn drops<T: Send + 'static>(log: Log, given: T) -> Result<(), Broken> {
        let _ = yield_resource!();
        drop(given);
        log.say("inner is over");
    }
    let log = Log::default();
    let mut scope = Box::pin(ExitStack::<Broken>::scope(async |stack| {
        stack.enter(quick(log.clone(), "outer")).await?;
        let guard = tokio::spawn(slow(log.clone(), "guard").enter());
        let guard = guard.await.unwrap()?;
        stack.enter(drops(log.clone(), guard)).await?;
        Ok(())
    }));
    while !log.said().ends_with("inner is over") {
        assert!(futures::poll!(scope.as_mut()).is_pending());
        yield_now().await;
    }
    drop(scope);
    drain().await;
    assert_eq!(
        log.said(),
        "+outer, +guard, inner is over, -guard, -outer Completed"
    );
}

/// As when one is inside the other.
#[tokio::test]
async fn what_is_entered_during_the_setup_of_a_tuple_is_inside_of_it() {
    #[async_context]
    async fn outer(log: Log, begun: Arc<Semaphore>, gate: Arc<Semaphore>) -> Result<(), Broken> {
        begun.add_permits(1);
        gate.acquire().await.unwrap().forget();
        let _ = yield_resource!();
        log.say("-outer");
    }
    /// Its teardown drops what it gets.
    #[async_context]
    async fn inner<T: Send + 'static>(things: oneshot::Receiver<T>) -> Result<(), Broken> {
        let _ = yield_resource!();
        drop(things.await);
    }
    let log = Log::default();
    let (begun, gate) = (closed(), closed());
    let (give, things) = oneshot::channel();
    let entered = tokio::spawn({
        let (log, begun, gate) = (log.clone(), begun.clone(), gate.clone());
        async move {
            begun.acquire().await.unwrap().forget();
            let guard = slow(log, "guard").enter().await.unwrap();
            assert!(give.send(guard).is_ok());
            gate.add_permits(1);
        }
    });
    let tuple = (outer(log.clone(), begun, gate), inner(things));
    tuple.with(async |_| Ok::<_, Broken>(())).await.unwrap();
    entered.await.unwrap();
    assert_eq!(log.said(), "+guard, -guard, -outer");
}

/// The inner context's teardown has dropped something when the exit is dropped itself, there or elsewhere: what is around both waits for it.
#[tokio::test]
async fn what_the_exit_of_a_tuple_has_dropped_is_inside_of_its_outer_context() {
    #[async_context]
    async fn drops(log: Log) -> Result<(), Broken> {
        let _ = yield_resource!();
        drop(slow(log, "part").enter().await?);
        yield_now().await;
    }
    for elsewhere in [false, true] {
        let log = Log::default();
        let both = (quick(log.clone(), "outer"), drops(log.clone())).err_into::<Broken>();
        let mut exit = Box::pin(both.enter().await.unwrap().exit());
        assert!(poll_once(exit.as_mut()).await.is_none());
        if elsewhere {
            tokio::spawn(async { drop(exit) }).await.unwrap();
        } else {
            drop(exit);
        }
        drain().await;
        assert_eq!(log.said(), "+outer, +part, -part, -outer Cancelled");
    }
}

/// What was entered before it isn't, though it is dropped there.
#[tokio::test(start_paused = true)]
async fn what_was_entered_before_a_tuple_is_not_inside_of_it() {
    #[async_context]
    async fn drops<T: Send + 'static>(given: T) -> Result<(), Broken> {
        let _ = yield_resource!();
        drop(given);
    }
    let log = Log::default();
    let gate = closed();
    let older = gated(log.clone(), "older", gate.clone());
    let older = tokio::spawn(older.enter()).await.unwrap().unwrap();
    let tuple = (quick(log.clone(), "outer"), drops(older));
    let ended = tuple.with(async |_| Ok::<_, Broken>(()));
    let ended = timeout(Duration::from_secs(1), ended).await;
    ended.expect("it doesn't wait for that").unwrap();
    settle().await;
    log.say("over");
    gate.add_permits(1);
    drain().await;
    assert_eq!(
        log.said(),
        "+older, +outer, -outer Completed, ~older, over, -older"
    );
}
