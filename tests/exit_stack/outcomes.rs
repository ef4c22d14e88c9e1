//! Errors, panics and what is swallowed: what comes out of a stack, and what each entry is told on the way.

use crate::shared::{self, *};
use contextlib::{ExitStack, async_context, background, kind::Never, yield_resource};
use contextlib_tests::{Log, Reports, message, poll_once, quiet};
use futures::FutureExt;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
};

/// Says what it is told, and then comes to what `then` comes to.
#[async_context]
async fn says(
    log: Log,
    name: &'static str,
    then: fn() -> Result<(), Numbered>,
) -> Result<(), Numbered> {
    let exit = yield_resource!();
    log.say(match (exit.panic(), exit.error()) {
        (Some(panic), _) => format!("{name}: panicked {}", panic.message().unwrap_or("?")),
        (_, Some(error)) => format!("{name}: {error:?}"),
        _ => format!("{name}: {:?}", exit.kind()),
    });
    then()
}

async fn caught<R>(future: impl Future<Output = R>) -> Result<R, String> {
    let _quiet = quiet();
    let caught = AssertUnwindSafe(future).catch_unwind().await;
    caught.map_err(|payload| message(&*payload).to_owned())
}

/// The body's panic goes on with its payload, after every entry has been told of it.
#[tokio::test]
async fn a_panic_in_the_body() {
    let log = Log::new();
    let result = caught(ExitStack::scope(async |stack| {
        stack
            .enter(says(log.clone(), "outer", || Ok(())))
            .await
            .expect("its setup is empty");
        stack
            .enter(says(log.clone(), "inner", || Ok(())))
            .await
            .expect("its setup is empty");
        if !stack.is_empty() {
            panic!("body");
        }
        Ok::<_, Numbered>(())
    }));
    assert_eq!(result.await, Err("body".into()));
    assert_eq!(
        log.lines(),
        ["inner: panicked body", "outer: panicked body"]
    );
}

/// An entry's panic is the outcome from there on, and reaches the caller after the others have been exited.
#[tokio::test]
async fn a_panic_in_an_entry() {
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    stack
        .enter(says(log.clone(), "outer", || Ok(())))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "entry", || panic!("entry")))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "inner", || Ok(())))
        .await
        .expect("its setup is empty");
    assert_eq!(caught(stack.exit()).await, Err("entry".into()));
    assert_eq!(
        log.lines(),
        [
            "inner: Completed",
            "entry: Completed",
            "outer: panicked entry"
        ]
    );
}

/// A panic goes before an error, which is reported; the first panic goes on, later ones and later errors are reported.
#[tokio::test]
async fn a_panic_over_an_error() {
    let reports = Reports::keep();
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    stack
        .enter(says(log.clone(), "4", || Err(Numbered(4))))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "3", || panic!("three")))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "2", || panic!("two")))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "1", || Ok(())))
        .await
        .expect("its setup is empty");
    let result = caught(stack.exit_with(Err::<(), _>(Numbered(0)))).await;
    assert_eq!(result, Err("two".into()));
    assert_eq!(
        log.lines(),
        [
            "1: Numbered(0)",
            "2: Numbered(0)",
            "3: panicked two",
            "4: panicked two"
        ]
    );
    assert_eq!(
        reports.take(),
        [
            "says's body failed: Numbered(0) after failed",
            "says panicked: three after panicked",
            "says failed: Numbered(4) after panicked",
        ]
    );
}

/// An entry's error, over which another one panics, is reported as its own.
#[tokio::test]
async fn a_panic_over_the_error_of_an_entry() {
    let reports = Reports::keep();
    let stack = ExitStack::<Numbered>::new();
    stack.callback(|| panic!("two"));
    stack
        .enter(says(Log::new(), "1", || Err(Numbered(1))))
        .await
        .expect("its setup is empty");
    let result = caught(stack.exit()).await;
    assert_eq!(result, Err("two".into()));
    assert_eq!(reports.take(), ["says failed: Numbered(1) after completed"]);
}

/// A panic may be swallowed too. The body's error, over which it came, has been reported.
#[tokio::test]
async fn a_panic_is_swallowed() {
    let reports = Reports::keep();
    let stack = ExitStack::suppressing();
    stack.push(async |exit| {
        assert!(exit.is_completed());
    });
    stack.push(async |exit| {
        assert!(exit.is_panicked());
        exit.suppress();
    });
    stack.push(async |_| panic!("entry"));
    let _quiet = quiet();
    let result = stack.exit_with(Err::<(), _>(Numbered(0))).await;
    assert_eq!(result, Ok(None));
    assert_eq!(
        reports.take(),
        ["push's body failed: Numbered(0) after failed"]
    );
}

/// A failure after `suppress()` takes the place of what was swallowed.
#[tokio::test]
async fn swallowing_and_failing() {
    let reports = Reports::keep();
    let stack = ExitStack::suppressing();
    stack.push(async |exit| {
        exit.suppress();
        Err(Numbered(1))
    });
    let result = stack.exit_with(Err::<(), _>(Numbered(0))).await;
    assert_eq!(result, Err(Numbered(1)));
    let stack = ExitStack::suppressing();
    stack.push(async |exit| -> Result<(), Numbered> {
        exit.suppress();
        panic!("one")
    });
    let result = caught(stack.exit_with(Err::<(), _>(Numbered(0)))).await;
    assert_eq!(result, Err("one".into()));
    assert_eq!(reports.take(), [""; 0]);
}

/// There is nothing to swallow in a success.
#[tokio::test]
async fn swallowing_nothing() {
    let stack = ExitStack::suppressing();
    stack.push(async |exit| exit.suppress());
    assert_eq!(stack.exit_with(Ok::<_, Numbered>(1)).await, Ok(Some(1)));
}

/// The body's error is the very same value, and every entry sees it as what it is.
#[tokio::test]
async fn the_error_itself() {
    #[derive(Debug)]
    struct Boxed(Box<u32>);
    let boxed = Box::new(5);
    let address = &raw const *boxed as usize;
    let stack = ExitStack::new();
    for _ in 0..3 {
        stack.push(async |exit| {
            let error = exit.error().and_then(|error| error.downcast_ref::<Boxed>());
            assert!(error.is_some_and(|error| *error.0 == 5));
        });
    }
    let Err(error) = stack.exit_with(Err::<(), _>(Boxed(boxed))).await else {
        panic!("an error")
    };
    assert_eq!(&raw const *error.0 as usize, address);
}

/// Errors of several types meet in the stack's; a context that can't fail needs no conversion.
#[tokio::test]
async fn entries_with_errors_of_their_own() -> Result<(), Numbered> {
    #[async_context]
    async fn foreign() -> Result<u8, Foreign> {
        let how = yield_resource!(8);
        if how.is_completed() {
            return Err(Foreign(3));
        }
    }
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    let name = stack.enter(named(log.clone(), "a".into())).await?;
    let eight = stack.enter(foreign()).await?;
    assert_eq!((name.as_str(), *eight), ("a", 8));
    assert_eq!(stack.exit().await, Err(Numbered(3)));
    assert_eq!(log.lines(), ["enter a", "exit a: failed"]);

    let infallible = ExitStack::<Never>::new();
    let Ok(name) = infallible.enter(named(log.clone(), "b".into())).await;
    assert_eq!(name, "b");
    let Ok(()) = infallible.exit().await;
    Ok(())
}

/// `cancel` tells every entry so, and a failure is returned.
#[tokio::test]
async fn cancel() {
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    stack
        .enter(says(log.clone(), "outer", || Ok(())))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "fails", || Err(Numbered(1))))
        .await
        .expect("its setup is empty");
    stack
        .enter(says(log.clone(), "inner", || Ok(())))
        .await
        .expect("its setup is empty");
    assert_eq!(stack.cancel().await, Err(Numbered(1)));
    assert_eq!(
        log.lines(),
        ["inner: Cancelled", "fails: Cancelled", "outer: Numbered(1)"]
    );
}

/// A setup that fails in the middle: the earlier ones are told of it, as it is the body's error.
#[tokio::test]
async fn a_setup_that_fails() {
    let log = Log::new();
    let result = ExitStack::scope(async |stack| {
        stack.enter(named(log.clone(), "a".into())).await?;
        stack.enter(closed_door(1)).await?;
        stack.enter(named(log.clone(), "never".into())).await?;
        Ok(())
    });
    assert_eq!(result.await, Err(Numbered(1)));
    assert_eq!(log.lines(), ["enter a", "exit a: failed"]);
}

/// A setup that panics reaches the caller, and isn't on the stack.
#[tokio::test]
async fn a_setup_that_panics() {
    #[async_context]
    async fn panics(now: bool) -> u8 {
        assert!(!now, "setup");
        let _ = yield_resource!(0);
    }
    let stack = ExitStack::<Numbered>::new();
    let entered = caught(stack.enter(panics(true))).await;
    assert_eq!(entered.map(drop), Err("setup".into()));
    assert!(stack.is_empty());
    let entered = caught(stack.enter(panics(false))).await;
    assert!(entered.is_ok());
    stack.exit().await.expect("nothing fails");
}

/// The error of an entry that panics while it is converted is a panic of the entry.
#[tokio::test]
async fn a_conversion_that_panics() {
    #[derive(Debug)]
    struct Unwilling;
    impl From<Unwilling> for Numbered {
        fn from(_: Unwilling) -> Self {
            panic!("no conversion")
        }
    }
    #[async_context]
    async fn unwilling() -> Result<(), Unwilling> {
        let how = yield_resource!();
        if how.is_completed() {
            return Err(Unwilling);
        }
    }
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    stack
        .enter(says(log.clone(), "outer", || Ok(())))
        .await
        .expect("its setup is empty");
    let entered = stack.enter(unwilling()).await;
    assert_eq!(entered, Ok(&mut ()));
    assert_eq!(caught(stack.exit()).await, Err("no conversion".into()));
    assert_eq!(log.lines(), ["outer: panicked no conversion"]);
}

/// What a callback owns panics when it is dropped, on a stack that nothing can roll back.
#[test]
fn a_callback_that_is_lost_with_a_destructor_that_panics() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("bomb"));
        }
    }
    let reports = Reports::keep();
    let stack = ExitStack::<Numbered>::new();
    let bomb = Bomb;
    stack.callback(move || drop(bomb));
    drop(stack);
    let reports = reports.take();
    assert!(
        matches!(&*reports, [lost, panic] if lost.contains("lost its teardown") && panic.contains("panicked: bomb")),
        "{reports:?}"
    );
}

/// Destructors that panic, of the resource and of errors, keep no entry from its exit.
#[tokio::test]
async fn destructors_that_panic() {
    #[derive(Debug)]
    struct Bomb(&'static str);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                resume_unwind(Box::new(self.0));
            }
        }
    }
    impl From<Numbered> for Bomb {
        fn from(_: Numbered) -> Self {
            Bomb("converted")
        }
    }
    #[async_context]
    async fn armed(name: &'static str) -> Bomb {
        let mut bomb = Bomb(name);
        let _ = yield_resource!(bomb);
    }
    let reports = Reports::keep();
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    stack
        .enter(says(log.clone(), "outer", || Ok(())))
        .await
        .expect("its setup is empty");
    stack.enter(armed("first")).await.expect("it can't fail");
    stack
        .enter(says(log.clone(), "inner", || Ok(())))
        .await
        .expect("its setup is empty");
    assert_eq!(caught(stack.exit()).await, Err("first".into()));
    assert_eq!(log.take(), ["inner: Completed", "outer: panicked first"]);

    // The second of two errors is reported, and dropped.
    let stack = ExitStack::<Bomb>::new();
    let outer = log.clone();
    stack.callback(move || outer.say("outer"));
    stack.push(async |_| Err(Bomb("second")));
    let result = stack.exit_with(Err::<(), _>(Bomb("body"))).await;
    std::mem::forget(result);
    assert_eq!(log.take(), ["outer"]);
    let reported = reports.take();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(reported[0].starts_with("push failed: Bomb(\"second\")"));
    assert!(reported[1].starts_with("push panicked: second"));
}

/// A stack as a context among others.
#[tokio::test]
async fn as_a_context() -> Result<(), Numbered> {
    let log = Log::new();
    let stack = ExitStack::<Numbered>::context().enter().await?;
    stack.enter(named(log.clone(), "a".into())).await?;
    stack.exit().await?;

    let sum = contextlib::async_with!(
        stack = ExitStack::<Numbered>::context(),
        name = named(log.clone(), "b".into()),
        async || -> Result<usize, Numbered> {
            let other = stack.enter(named(log.clone(), "c".into())).await?;
            Ok(name.len() + other.len())
        }
    );
    assert_eq!(sum.await, Ok(2));
    assert_eq!(
        log.lines(),
        [
            "enter a",
            "exit a: completed",
            "enter b",
            "enter c",
            "exit b: completed",
            "exit c: completed"
        ]
    );
    Ok(())
}

/// What fails in the stack of a context is that context's error, or its suppression.
#[tokio::test]
async fn as_a_context_that_fails() {
    let reports = shared::reports();
    let log = Log::new();
    let result = ExitStack::scope(async |stack| {
        stack.enter(failing(log.clone(), 2)).await?;
        stack.enter(failing(log.clone(), 1)).await?;
        Ok(())
    });
    assert_eq!(result.await, Err(Numbered(1)));
    assert_eq!(reports.take(), ["failing failed: Numbered(2) after failed"]);

    // The body's error type may be another one.
    #[derive(Debug, PartialEq)]
    enum Own {
        Entry(Numbered),
        Body,
    }
    impl From<Numbered> for Own {
        fn from(error: Numbered) -> Self {
            Own::Entry(error)
        }
    }
    let stack = ExitStack::suppressing_context();
    let result = stack.with(async |stack| -> Result<u8, Own> {
        stack.push(async |exit| {
            assert!(exit.error().is_some_and(|error| error.is::<Own>()));
            exit.suppress();
            Err(Numbered(3))
        });
        Err(Own::Body)
    });
    assert_eq!(result.await, Err(Own::Entry(Numbered(3))));
}

/// What `outcome` says of a stack: its first failure is the body's, if that failed.
#[tokio::test]
async fn the_outcome_of_a_stack() {
    let reports = Reports::keep();
    for body in [Ok(1), Err(Numbered(0))] {
        let well = body.is_ok();
        let outcome = ExitStack::context().outcome(async |stack| {
            stack.callback(|| Err(Numbered(2)));
            stack.callback(|| Err(Numbered(1)));
            body
        });
        let outcome = outcome.await;
        let mut reported = vec!["callback failed: Numbered(2) after failed"];
        if well {
            assert_eq!(outcome.body, Some(Ok(1)));
            assert_eq!(outcome.context, Err(Numbered(1)));
        } else {
            assert_eq!(outcome.body, Some(Err(Numbered(0))));
            assert_eq!(outcome.context, Ok(()));
            reported.insert(0, "callback failed: Numbered(1) after failed");
        }
        assert_eq!(reports.take(), reported);
    }
}

/// One report for a forgotten exit, whatever is on the stack; none for an empty stack, in a panic, or where a scope is cancelled.
#[tokio::test]
async fn a_forgotten_exit_is_reported_once() {
    let reports = Reports::keep();
    let stack = ExitStack::<Numbered>::new();
    stack.callback(|| ());
    stack.callback_with(|stack| stack.callback(|| ()));
    drop(stack);
    background::drain().await;
    assert_eq!(reports.take_all(), ["unexited"]);

    drop(ExitStack::<Numbered>::new());
    let mut popped = ExitStack::<Numbered>::new();
    popped.callback(|| ());
    popped.pop_all().exit().await.expect("nothing fails");
    drop(popped);
    let _quiet = quiet();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let stack = ExitStack::<Numbered>::new();
        stack.callback(|| ());
        panic!("it isn't forgotten");
    }));
    assert!(panicked.is_err());
    {
        let mut scope = pin!(ExitStack::scope(async |stack| {
            stack.callback(|| ());
            std::future::pending::<Result<(), Numbered>>().await
        }));
        assert!(poll_once(scope.as_mut()).is_pending());
    }
    background::drain().await;
    assert_eq!(reports.take_all(), [""; 0]);
}

/// Both outcomes: the body's own is there, whatever the entries have made of it.
#[tokio::test]
async fn the_bodys_own_outcome_beside_that_of_the_entries() {
    let swallowed = ExitStack::<Numbered, _>::suppressing_context().outcome(async |stack| {
        stack.push(async |exit| exit.suppress());
        Err::<(), _>(Numbered(3))
    });
    let swallowed = swallowed.await;
    assert_eq!(swallowed.body, Some(Err(Numbered(3))));
    assert!(swallowed.suppressed);
    assert_eq!(swallowed.context, Ok(()));
}
