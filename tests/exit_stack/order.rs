//! Rollbacks: a stack that is dropped, wholly or half-way through its exit, and what is around it.

use crate::shared::*;
use contextlib::{ExitStack, async_context, background, policy, yield_resource};
use contextlib_tests::{Log, Reports, poll_once, quiet, yields};
use std::{pin::pin, time::Duration};
use tokio::sync::oneshot;

/// Takes a while to be torn down.
#[async_context]
async fn slow(log: Log, name: &'static str) -> &'static str {
    let mut resource = name;
    let how = yield_resource!(resource).kind();
    log.say(format!("{name} begins: {}", exit(how)));
    yields(3).await;
    log.say(format!("{name} ends"));
}

/// The lines of contexts that were torn down one after another, in this order.
fn one_after_another(names: &[&str], told: &str) -> Vec<String> {
    let lines = |name: &&str| [format!("{name} begins: {told}"), format!("{name} ends")];
    names.iter().flat_map(lines).collect()
}

async fn slow_stack(log: &Log, names: &[&'static str]) -> ExitStack<'static, Numbered> {
    let stack = ExitStack::new();
    for name in names {
        stack
            .enter(slow(log.clone(), name))
            .await
            .expect("it can't fail");
    }
    stack
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped() {
    let log = Log::new();
    drop(slow_stack(&log, &["a", "b", "c"]).await);
    background::drain().await;
    assert_eq!(
        log.lines(),
        one_after_another(&["c", "b", "a"], "cancelled")
    );
}

/// Callbacks and exits keep their places among contexts, and so does what they add.
#[tokio::test]
async fn dropped_with_callbacks() {
    let log = Log::new();
    let say = |line: &'static str| {
        let log = log.clone();
        move || log.say(line)
    };
    let stack = slow_stack(&log, &["a"]).await;
    stack.callback(say("callback"));
    let (added, second) = (log.clone(), say("after what it adds"));
    stack.async_callback_with(async move |stack| {
        yields(2).await;
        stack.callback(second);
        stack.enter(slow(added, "added")).await.map(drop)
    });
    let told = log.clone();
    stack.push(async move |how| told.say(format!("push: {}", exit(how.kind()))));
    stack
        .enter(slow(log.clone(), "b"))
        .await
        .expect("it can't fail");
    stack.async_callback({
        let log = log.clone();
        async move || {
            yields(2).await;
            log.say("async callback");
        }
    });
    drop(stack);
    background::drain().await;
    let expected: Vec<String> = ["async callback"]
        .map(String::from)
        .into_iter()
        .chain(one_after_another(&["b"], "cancelled"))
        .chain(["push: cancelled".to_owned()])
        .chain(one_after_another(&["added"], "cancelled"))
        .chain(["after what it adds", "callback"].map(String::from))
        .chain(one_after_another(&["a"], "cancelled"))
        .collect();
    assert_eq!(log.lines(), expected);
}

/// The entry under way goes on with the exit that it has; the others see that nobody waits any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_exit_that_is_dropped_half_way() {
    let log = Log::new();
    let stack = slow_stack(&log, &["a", "b", "c"]).await;
    {
        let mut exit = pin!(stack.exit());
        while !log.lines().contains(&"b begins: completed".to_owned()) {
            assert!(poll_once(exit.as_mut()).is_pending());
        }
    }
    background::drain().await;
    let mut expected = one_after_another(&["c", "b"], "completed");
    expected.extend(one_after_another(&["a"], "cancelled"));
    assert_eq!(log.lines(), expected);
}

/// The same with the error of a body.
#[tokio::test]
async fn an_exit_with_an_error_that_is_dropped_half_way() {
    let reports = Reports::keep();
    let log = Log::new();
    let stack = slow_stack(&log, &["a", "b"]).await;
    {
        let mut exit = pin!(stack.exit_with(Err::<(), _>(Numbered(1))));
        assert!(poll_once(exit.as_mut()).is_pending());
        assert_eq!(log.lines(), ["b begins: failed"]);
    }
    background::drain().await;
    let mut expected = one_after_another(&["b"], "failed");
    expected.extend(one_after_another(&["a"], "cancelled"));
    assert_eq!(log.lines(), expected);
    assert_eq!(
        reports.take(),
        ["slow's body failed: Numbered(1) after failed"]
    );
}

/// The same where the entries are of several tasks, whose guards don't wait for each other.
#[tokio::test]
async fn an_exit_that_is_dropped_half_way_with_entries_of_several_tasks() {
    for at_home in [true, false] {
        let log = Log::new();
        let stack = slow_stack(&log, &["a", "b"]).await;
        let (added, begun) = (log.clone(), log.clone());
        let filled = tokio::spawn(async move {
            let added = slow(added, "c");
            stack.enter(added).await.expect("it can't fail");
            stack
        });
        let stack = filled.await.expect("it went well");
        let half_way = async move {
            let mut exit = pin!(stack.exit());
            assert!(poll_once(exit.as_mut()).is_pending());
            assert_eq!(begun.lines(), ["c begins: completed"]);
        };
        if at_home {
            half_way.await;
        } else {
            tokio::spawn(half_way).await.expect("it went well");
        }
        background::drain().await;
        let mut expected = one_after_another(&["c"], "completed");
        expected.extend(one_after_another(&["b", "a"], "cancelled"));
        assert_eq!(log.lines(), expected, "at home: {at_home}");
    }
}

/// An exit that was never polled is a stack that is dropped.
#[tokio::test]
async fn an_exit_that_is_dropped_unpolled() {
    let log = Log::new();
    drop(slow_stack(&log, &["a", "b"]).await.exit());
    background::drain().await;
    assert_eq!(log.lines(), one_after_another(&["b", "a"], "cancelled"));
}

/// A guard around the stack waits for all of it; a stack around a guard waits for that.
#[tokio::test(flavor = "multi_thread")]
async fn among_guards() {
    tokio::spawn(async {
        let log = Log::new();
        let outer = slow(log.clone(), "outer")
            .enter()
            .await
            .expect("it can't fail");
        let stack = slow_stack(&log, &["a", "b"]).await;
        let between = slow(log.clone(), "between")
            .enter()
            .await
            .expect("it can't fail");
        stack
            .enter(slow(log.clone(), "c"))
            .await
            .expect("it can't fail");
        let inner = slow(log.clone(), "inner")
            .enter()
            .await
            .expect("it can't fail");
        drop(inner);
        drop(between);
        drop(stack);
        outer.exit().await.expect("it can't fail");
        let mut expected = one_after_another(&["inner", "c", "between", "b", "a"], "cancelled");
        expected.extend(one_after_another(&["outer"], "completed"));
        // `between` was dropped before `c`, and doesn't wait for what was none of its own; whatever else is around waits for both.
        let mut lines = log.lines();
        let free: Vec<String> = one_after_another(&["between"], "cancelled");
        let in_order = |lines: &mut Vec<String>| lines.retain(|line| !free.contains(line));
        in_order(&mut lines);
        in_order(&mut expected);
        assert_eq!(lines, expected);
        let at = |line: &str| log.lines().iter().position(|said| said == line);
        assert!(at("inner ends") < at("between begins: cancelled"));
        assert!(at("between ends") < at("b begins: cancelled"));
    })
    .await
    .expect("it went well");
}

/// The context around a scope waits for what the scope has left behind, however the scope came to be dropped.
#[tokio::test(start_paused = true)]
async fn a_scope_that_is_dropped() {
    let log = Log::new();
    let outer = slow(log.clone(), "guard")
        .enter()
        .await
        .expect("it can't fail");
    let result = slow(log.clone(), "with")
        .with(async |_| {
            let scope = ExitStack::scope(async |stack| {
                stack.enter(slow(log.clone(), "a")).await?;
                slow(log.clone(), "inside")
                    .with(async |_| stack.enter(slow(log.clone(), "b")).await.map(drop))
                    .await?;
                let _left = slow(log.clone(), "left").enter().await;
                std::future::pending::<Result<(), Numbered>>().await
            });
            tokio::time::timeout(Duration::from_millis(1), scope)
                .await
                .map_err(|_| Numbered(1))?
        })
        .await;
    assert_eq!(result, Err(Numbered(1)));
    let mut expected = one_after_another(&["inside"], "completed");
    expected.extend(one_after_another(&["left", "b", "a"], "cancelled"));
    expected.extend(one_after_another(&["with"], "failed"));
    assert_eq!(log.lines(), expected);
    outer.exit().await.expect("it can't fail");
}

/// Entered in one task, then in another, dropped in a third: the order is that of the stack.
#[tokio::test(flavor = "multi_thread")]
async fn moved_between_tasks() {
    let log = Log::new();
    let mut stack = tokio::spawn({
        let log = log.clone();
        async move { slow_stack(&log, &["a", "b"]).await }
    })
    .await
    .expect("it went well");
    for name in ["c", "d"] {
        let log = log.clone();
        let task = tokio::spawn(async move {
            stack
                .enter(slow(log.clone(), name))
                .await
                .expect("it can't fail");
            stack
        });
        stack = task.await.expect("it went well");
    }
    let outer = log.clone();
    tokio::spawn(async move {
        let guard = slow(outer, "last").enter().await.expect("it can't fail");
        drop(stack);
        drop(guard);
    })
    .await
    .expect("it went well");
    background::drain().await;
    let lines: Vec<_> = log.lines();
    let of_stack: Vec<_> = lines
        .iter()
        .filter(|line| !line.starts_with("last"))
        .cloned()
        .collect();
    assert_eq!(
        of_stack,
        one_after_another(&["d", "c", "b", "a"], "cancelled")
    );
}

/// Entered inside a `with` whose end the stack outlives.
#[tokio::test(flavor = "multi_thread")]
async fn entered_inside_and_dropped_outside() {
    let log = Log::new();
    let outer = slow(log.clone(), "outer")
        .enter()
        .await
        .expect("it can't fail");
    let stack = slow_stack(&log, &["a"]).await;
    let inside = slow(log.clone(), "inside")
        .with(async |_| stack.enter(slow(log.clone(), "b")).await.map(drop));
    inside.await.expect("nothing fails");
    stack
        .enter(slow(log.clone(), "c"))
        .await
        .expect("it can't fail");
    drop(stack);
    outer.exit().await.expect("it can't fail");
    let mut expected = one_after_another(&["inside"], "completed");
    expected.extend(one_after_another(&["c", "b", "a"], "cancelled"));
    expected.extend(one_after_another(&["outer"], "completed"));
    assert_eq!(log.lines(), expected);
}

/// A task that is aborted, while it enters.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_task() {
    #[async_context]
    async fn never() -> Result<(), Numbered> {
        std::future::pending::<()>().await;
        let _ = yield_resource!();
    }
    let log = Log::new();
    let (ready, waits) = oneshot::channel();
    let task = tokio::spawn({
        let log = log.clone();
        async move {
            let stack = slow_stack(&log, &["a", "b"]).await;
            let _ = ready.send(());
            let _ = stack.enter(never()).await;
        }
    });
    waits.await.expect("it has been entered");
    task.abort();
    assert!(task.await.is_err());
    background::drain().await;
    assert_eq!(log.lines(), one_after_another(&["b", "a"], "cancelled"));
}

/// The order is that in which the setups ended, awaited or not.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_enters() {
    #[async_context]
    async fn late(log: Log, name: &'static str, polls: usize) -> &'static str {
        yields(polls).await;
        let mut resource = name;
        let how = yield_resource!(resource).kind();
        log.say(format!("{name} begins: {}", exit(how)));
        yields(3).await;
        log.say(format!("{name} ends"));
    }
    for awaited in [true, false] {
        let log = Log::new();
        let stack = ExitStack::<Numbered>::new();
        let (a, b, c) = futures::join!(
            stack.enter(late(log.clone(), "a", 9)),
            stack.enter(late(log.clone(), "b", 3)),
            stack.enter(late(log.clone(), "c", 6)),
        );
        assert_eq!((a, b, c), (Ok(&mut "a"), Ok(&mut "b"), Ok(&mut "c")));
        let told = if awaited {
            stack.exit().await.expect("nothing fails");
            "completed"
        } else {
            drop(stack);
            background::drain().await;
            "cancelled"
        };
        assert_eq!(log.lines(), one_after_another(&["a", "c", "b"], told));
    }
}

/// An entry waits for what its setup has entered and dropped; and its teardown, for what that drops, also in a rollback.
#[tokio::test]
async fn what_the_setup_of_an_entry_has_entered() {
    #[async_context]
    async fn tries_twice(log: Log) -> &'static str {
        let Ok(first) = slow(log.clone(), "first").enter().await;
        let Ok(second) = slow(log.clone(), "second").enter().await;
        let Ok(third) = slow(log.clone(), "third").enter().await;
        drop(third);
        let mut resource = "entry";
        let _ = yield_resource!(resource);
        log.say("entry");
        drop(second);
        let Ok(()) = first.cancel().await;
    }
    for dropped in [false, true] {
        let log = Log::new();
        let stack = slow_stack(&log, &["outer"]).await;
        let entered = stack.enter(tries_twice(log.clone()));
        entered.await.expect("it can't fail");
        let told = if dropped {
            drop(stack);
            background::drain().await;
            "cancelled"
        } else {
            stack.exit().await.expect("nothing fails");
            "completed"
        };
        let expected: Vec<String> = one_after_another(&["third"], "cancelled")
            .into_iter()
            .chain(["entry".to_owned()])
            .chain(one_after_another(&["second", "first"], "cancelled"))
            .chain(one_after_another(&["outer"], told))
            .collect();
        assert_eq!(log.lines(), expected, "dropped: {dropped}");
    }
}

/// A setup that is dropped isn't on the stack; one that is to be finished is finished, and torn down.
#[tokio::test]
async fn a_setup_that_is_dropped() {
    #[async_context]
    async fn dropped(log: Log) -> u8 {
        log.say("dropped begins");
        yields(2).await;
        log.say("never");
        let _ = yield_resource!(0);
    }
    #[async_context(setup = finish)]
    async fn finished(log: Log) -> u8 {
        log.say("finished begins");
        yields(2).await;
        log.say("finished is set up");
        let how = yield_resource!(0).kind();
        log.say(format!("finished: {}", exit(how)));
    }
    let log = Log::new();
    let stack = slow_stack(&log, &["a"]).await;
    assert!(poll_once(pin!(stack.enter(dropped(log.clone())))).is_pending());
    assert!(poll_once(pin!(stack.enter(finished(log.clone())))).is_pending());
    assert_eq!(stack.len(), 1);
    stack.exit().await.expect("nothing fails");
    background::drain().await;
    let mut expected: Vec<String> = [
        "dropped begins",
        "finished begins",
        "finished is set up",
        "finished: cancelled",
    ]
    .map(String::from)
    .to_vec();
    expected.extend(one_after_another(&["a"], "completed"));
    assert_eq!(log.lines(), expected);
}

/// Each entry follows its own policy: `block` is over when the drop returns, and has waited for what was entered later.
#[tokio::test(flavor = "multi_thread")]
async fn policies() {
    #[async_context(on_cancel = block)]
    async fn blocking(log: &Log, name: &'static str) -> () {
        let how = yield_resource!().kind();
        log.say(format!("{name} begins: {}", exit(how)));
        yields(3).await;
        log.say(format!("{name} ends"));
    }
    #[async_context(on_cancel = drop)]
    async fn dropping(log: &Log) -> () {
        struct Says<'l>(&'l Log);
        impl Drop for Says<'_> {
            fn drop(&mut self) {
                self.0.say("dropped");
            }
        }
        let _says = Says(log);
        let _ = yield_resource!();
        log.say("never");
    }
    let reports = Reports::keep();
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    stack.enter(dropping(&log)).await.expect("it can't fail");
    stack
        .enter(blocking(&log, "outer"))
        .await
        .expect("it can't fail");
    stack
        .enter(slow(log.clone(), "spawned"))
        .await
        .expect("it can't fail");
    stack
        .enter(blocking(&log, "inner"))
        .await
        .expect("it can't fail");
    drop(stack);
    let mut expected = one_after_another(&["inner", "spawned", "outer"], "cancelled");
    expected.push("dropped".into());
    assert_eq!(log.lines(), expected);
    assert_eq!(reports.take(), [""; 0]);
}

/// A policy of the user's.
#[tokio::test]
async fn a_policy_of_ones_own() {
    struct OnThread;
    impl<C> policy::Policy<C> for OnThread
    where
        C: contextlib::AsyncContext<Resource: Send> + Send + 'static,
    {
        type Storage = policy::Boxed<C>;
        type Origin = ();
        fn origin() {}
        fn rollback(rollback: contextlib::Rollback<C>, (): ()) {
            std::thread::spawn(|| futures::executor::block_on(rollback));
        }
    }
    #[async_context(on_cancel = OnThread)]
    async fn elsewhere(log: Log, name: &'static str) -> () {
        let how = yield_resource!().kind();
        log.say(format!("{name} begins: {}", exit(how)));
        yields(3).await;
        log.say(format!("{name} ends"));
    }
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    for name in ["a", "b", "c"] {
        stack
            .enter(elsewhere(log.clone(), name))
            .await
            .expect("it can't fail");
    }
    drop(stack);
    background::drain().await;
    assert_eq!(
        log.lines(),
        one_after_another(&["c", "b", "a"], "cancelled")
    );
}

/// Failures of a rollback are reported, each with its entry, and keep no other entry from its rollback.
#[tokio::test]
async fn rollbacks_that_fail() {
    let reports = Reports::keep();
    let log = Log::new();
    let stack = slow_stack(&log, &["a"]).await;
    stack.push(async |_| Err(Numbered(2)));
    stack.callback(|| -> Result<(), Numbered> { panic!("three") });
    stack
        .enter(slow(log.clone(), "b"))
        .await
        .expect("it can't fail");
    let _quiet = quiet();
    drop(stack);
    background::drain().await;
    assert_eq!(log.lines(), one_after_another(&["b", "a"], "cancelled"));
    assert_eq!(
        reports.take(),
        [
            "callback panicked: three after cancelled",
            "push failed: Numbered(2) after cancelled"
        ]
    );
}

/// Off a runtime there is nothing that could run them: that is reported, for each.
#[test]
fn dropped_off_a_runtime() {
    let reports = Reports::keep();
    let log = Log::new();
    let stack = futures::executor::block_on(slow_stack(&log, &["a", "b"]));
    stack.callback(|| ());
    drop(stack);
    let reported = reports.take();
    assert_eq!(reported.len(), 3, "{reported:?}");
    assert!(
        reported
            .iter()
            .all(|report| report.contains("lost its teardown"))
    );
    assert!(reported[0].starts_with("callback"));
    assert_eq!(log.lines(), [""; 0]);
}
