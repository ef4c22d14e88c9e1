//! A context in an `Option`. (That it does the same as without one, or nothing, in all ways in which it can end, is compared in `like_nested`.)

use contextlib::{
    AsyncContextManager, ContextOf, Exit, ExitStack, IntoContextManager, async_context, async_with,
    background,
    kind::{Fallible, Infallible, Never},
    null_context, policy, timeout, within, yield_resource,
};
use contextlib_tests::{Log, Reports, poll_once};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use std::{io, pin::pin, sync::Arc, task::Poll, time::Duration};
use test_case::test_case;
use tokio::sync::Notify;

#[async_context]
async fn lock(log: Log, name: &'static str) -> io::Result<String> {
    let mut lock = name.to_owned();
    let exit = yield_resource!(lock);
    log.say(format!("{lock}: {exit:?}"));
}

async fn in_closure_style(log: Log, locked: bool) -> io::Result<usize> {
    let lock = locked.then(|| lock(log, "lock"));
    lock.with(async |lock| Ok(lock.as_deref().map_or(0, str::len)))
        .await
}

async fn in_guard_style(log: Log, locked: bool) -> io::Result<usize> {
    let mut guard = locked.then(|| lock(log, "lock")).enter().await?;
    let length = guard.as_ref().map_or(0, String::len);
    if let Some(lock) = &mut *guard {
        lock.push('!');
        assert!(lock.pop().is_some());
    }
    guard.exit().await?;
    Ok(length)
}

async fn in_block_style(log: Log, locked: bool) -> io::Result<usize> {
    async_with!(
        lock = locked.then(|| lock(log, "lock")),
        async || -> io::Result<usize> { Ok(lock.as_ref().map_or(0, |lock| lock.len())) }
    )
    .await
}

#[within(lock = locked.then(|| lock(log.clone(), "lock")))]
async fn as_a_decorator(log: Log, locked: bool) -> io::Result<usize> {
    assert!(log.lines().is_empty());
    Ok(lock.as_ref().map_or(0, |lock| lock.len()))
}

async fn on_a_stack(log: Log, locked: bool) -> io::Result<usize> {
    ExitStack::scope(async |stack| {
        let lock = stack.enter(locked.then(|| lock(log, "lock"))).await?;
        Ok(lock.as_ref().map_or(0, String::len))
    })
    .await
}

async fn boxed(log: Log, locked: bool) -> io::Result<usize> {
    let lock = locked.then(|| lock(log, "lock").boxed());
    lock.boxed()
        .with(async |lock| Ok(lock.as_ref().map_or(0, String::len)))
        .await
}

async fn by_any_function(log: Log, locked: bool) -> io::Result<usize> {
    async fn length(context: impl ContextOf<Option<String>, io::Error>) -> io::Result<usize> {
        context
            .with(async |lock| Ok(lock.as_ref().map_or(0, String::len)))
            .await
    }
    length(locked.then(|| lock(log, "lock"))).await
}

#[test_case(in_closure_style)]
#[test_case(in_guard_style)]
#[test_case(in_block_style)]
#[test_case(as_a_decorator)]
#[test_case(on_a_stack)]
#[test_case(boxed)]
#[test_case(by_any_function)]
#[tokio::test]
async fn with_a_context_and_without(style: impl AsyncFn(Log, bool) -> io::Result<usize>) {
    let log = Log::new();
    assert_eq!(style(log.clone(), true).await.unwrap(), 4);
    assert_eq!(log.take(), ["lock: Completed"]);
    assert_eq!(style(log.clone(), false).await.unwrap(), 0);
    assert!(log.take().is_empty());
}

#[tokio::test]
async fn a_guard_that_is_dropped_rolls_its_context_back() {
    let log = Log::new();
    for locked in [true, false] {
        let plain = locked.then(|| lock(log.clone(), "plain"));
        drop(plain.enter().await.unwrap());
        let boxed = locked.then(|| lock(log.clone(), "boxed").boxed());
        drop(boxed.enter().await.unwrap());
        background::drain().await;
        let lines = log.take();
        match locked {
            true => assert_eq!(lines, ["plain: Cancelled", "boxed: Cancelled"]),
            false => assert!(lines.is_empty(), "{lines:?}"),
        }
    }
}

struct Counter(u8);

impl AsyncContextManager for Counter {
    type Resource = u8;
    type Kind = Infallible;
    async fn enter(&mut self) -> Result<u8, Never> {
        Ok(self.0)
    }
    async fn exit(&mut self, _: u8, _: Exit<'_>) -> Result<(), Never> {
        Ok(())
    }
}

#[tokio::test]
async fn what_it_is_in_an_option() {
    let structs = (Some(Counter(1)), None::<Counter>);
    assert_eq!(structs.run(async |(a, b)| (*a, *b)).await, (Some(1), None));

    let twice = Some(Some(null_context(2)));
    assert_eq!(twice.run(async |n| *n).await, Some(Some(2)));

    let borrowed = String::from("text");
    let borrowed = Some(null_context(borrowed.as_str()));
    assert_eq!(borrowed.run(async |text| text.unwrap().len()).await, 4);
}

/// A context that wraps its body does so, and is no guard's.
#[tokio::test(start_paused = true)]
async fn a_limit_for_some() {
    async fn sleeps(limit: Option<Duration>) -> Result<(), String> {
        let limit = limit.map(timeout).into_context_manager();
        limit
            .map_err(|elapsed| elapsed.to_string())
            .with(async |_| {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(())
            })
            .await
    }
    assert_eq!(sleeps(None).await, Ok(()));
    assert_eq!(sleeps(Some(Duration::from_secs(9))).await, Ok(()));
    assert!(sleeps(Some(Duration::from_secs(1))).await.is_err());
}

/// Says when it is dropped.
struct Says(Log, &'static str);
impl Drop for Says {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

/// Its yield point has a waker of its own. It is dropped as soon as the gate opens.
#[async_context(wrapping)]
async fn until_open(gate: Arc<Notify>, log: Log) -> Result<(), &'static str> {
    {
        let at_yield = async {
            let _ = yield_resource!();
        };
        let mut all = FuturesUnordered::from_iter([at_yield.boxed()]);
        tokio::select! {
            biased;
            () = gate.notified() => {}
            _ = all.next() => {}
        }
    }
    log.say("goes on");
    return Err("left");
}

/// The body is polled where the yield point is, and is dropped with it, before the context's next statement.
#[tokio::test]
async fn a_body_inside_its_context() {
    let (gate, log) = (Arc::new(Notify::new()), Log::new());
    let context = Some(until_open(gate.clone(), log.clone()));
    let left = context
        .with(async |_| -> Result<(), &str> {
            let _says = Says(log.clone(), "body dropped");
            log.say("body");
            gate.notify_one();
            std::future::pending().await
        })
        .await;
    assert_eq!(left, Err("left"));
    assert_eq!(log.take(), ["body", "body dropped", "goes on"]);
}

#[async_context]
async fn gated(gate: Arc<Notify>, log: Log) {
    let _ = yield_resource!();
    gate.notified().await;
    log.say("inner");
}

/// The lane of a context that isn't there is one like any other: what is around it waits for what it had inside.
#[tokio::test]
async fn what_is_around_none_waits_for_what_was_inside() {
    let (gate, log) = (Arc::new(Notify::new()), Log::new());
    let inner = || gated(gate.clone(), log.clone());
    let opens = async {
        tokio::task::yield_now().await;
        gate.notify_one();
    };
    let outer = (lock(log.clone(), "outer"), None::<Counter>);
    let run = outer.with(async |_| -> io::Result<()> {
        drop(inner().enter().await.unwrap());
        Ok(())
    });
    let (ended, ()) = tokio::join!(run, opens);
    ended.unwrap();
    assert_eq!(log.take(), ["inner", "outer: Completed"]);
}

/// An error that nobody gets is reported, also where there is no context that would have been told of it.
#[test_case(false; "plain")]
#[test_case(true; "boxed")]
#[tokio::test]
async fn no_failure_is_lost(boxed: bool) {
    let reports = Reports::keep();
    let (gate, log) = (Arc::new(Notify::new()), Log::new());
    let missing = || Some(lock(log.clone(), "lock")).filter(|_| false);
    macro_rules! half_exited {
        ($outer:expr) => {{
            let outer = $outer.enter().await.unwrap();
            drop(gated(gate.clone(), log.clone()).enter().await.unwrap());
            let failed: io::Result<()> = Err(io::ErrorKind::NotFound.into());
            let mut exit = pin!(outer.exit_with(failed));
            assert!(matches!(poll_once(exit.as_mut()), Poll::Pending));
        }};
    }
    match boxed {
        false => half_exited!(missing()),
        true => half_exited!(missing().map(IntoContextManager::boxed)),
    }
    gate.notify_one();
    background::drain().await;
    assert_eq!(
        reports.take(),
        ["None's body failed: Kind(NotFound) after failed"]
    );
}

#[async_context(suppress)]
async fn swallows() -> Result<(), io::Error> {
    let exit = yield_resource!();
    exit.suppress();
}

/// The type says that the value may be missing, whether there is a context or not.
#[tokio::test]
async fn one_that_suppresses() {
    for swallowing in [true, false] {
        let context = || swallowing.then(swallows);
        let failed: io::Result<Option<u8>> = context()
            .with(async |_| Err(io::ErrorKind::NotFound.into()))
            .await;
        match swallowing {
            true => assert_eq!(failed.unwrap(), None),
            false => assert!(failed.is_err()),
        }
        let value: io::Result<Option<u8>> = context().with(async |_| Ok(1)).await;
        assert_eq!(value.unwrap(), Some(1));
    }
}

#[async_context]
async fn fails(in_setup: bool) -> Result<(), &'static str> {
    if in_setup {
        return Err("setup");
    }
    let _ = yield_resource!();
    return Err("teardown");
}

#[tokio::test]
async fn its_failures() {
    let run = async |context: Option<bool>| -> Result<u8, &str> {
        context.map(fails).with(async |_| Ok(1)).await
    };
    assert_eq!(run(Some(true)).await, Err("setup"));
    assert_eq!(run(Some(false)).await, Err("teardown"));
    assert_eq!(run(None).await, Ok(1));
    let entered = Some(fails(true)).enter().await;
    assert_eq!(entered.map(drop), Err("setup"));
}

/// A struct that borrows gets its policy before it is put into an `Option`.
#[tokio::test]
async fn with_a_policy_of_its_own() {
    struct Borrows<'a>(&'a str);
    impl AsyncContextManager for Borrows<'_> {
        type Resource = usize;
        type Kind = Fallible<io::Error>;
        async fn enter(&mut self) -> io::Result<usize> {
            Ok(self.0.len())
        }
        async fn exit(&mut self, _: usize, _: Exit<'_>) -> io::Result<()> {
            Ok(())
        }
    }
    let text = String::from("text");
    let context = Some(contextlib::protocol(Borrows(&text)).on_cancel::<policy::Drop>());
    let length = context.with(async |length| -> io::Result<_> { Ok(*length) });
    assert_eq!(length.await.unwrap(), Some(4));
}
