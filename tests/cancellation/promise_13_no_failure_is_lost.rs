//! A body has failed or panicked, and nobody is left who would be told: its failure is reported, once, whatever becomes of the teardown.

use contextlib::{
    AsyncContext, ContextManager, ExitStack, IntoContextManager, async_context, async_with,
    background::{self, drain},
    kind::Fallible,
    policy::Policy,
    yield_resource,
};
use contextlib_tests::{Log, Reports, poll_once, quiet, yields};
use std::{future::pending, rc::Rc, time::Duration};
use tokio::{runtime::Builder, task::LocalSet};

/// What the teardown comes to, after two suspensions.
#[derive(Clone, Copy)]
enum Ends {
    Well,
    Fails,
    Panics,
    /// It never does.
    Not,
}
use Ends::{Fails, Not, Panics, Well};

macro_rules! contexts {
    ($($name:ident: $policy:ident,)*) => {$(
        #[async_context(on_cancel = $policy)]
        async fn $name(log: Log, ends: Ends) -> Result<(), String> {
            let exit = yield_resource!();
            log.say(format!("{} sees {exit:?}", stringify!($name)));
            end(ends).await?;
        }
    )*};
}

contexts! {
    context: spawn,
    outer: spawn,
    local: spawn_local,
    block: block,
    dropped: drop,
    dropped_outer: drop,
}

#[async_context(suppress)]
async fn suppressing(ends: Ends) -> Result<(), String> {
    yield_resource!().suppress();
    end(ends).await?;
}

async fn end(ends: Ends) -> Result<(), String> {
    if let Well | Fails | Panics = ends {
        yields(2).await;
    }
    match ends {
        Well => Ok(()),
        Fails => Err("teardown".to_owned()),
        Panics => panic!("teardown"),
        Not => pending().await,
    }
}

fn failed() -> Result<(), String> {
    Err("body".to_owned())
}

/// Polls it once, which has to leave it in some teardown, and drops it.
#[track_caller]
fn cut<T>(future: impl Future<Output = T>) {
    assert!(poll_once(Box::pin(future).as_mut()).is_pending());
}

/// Runs a test that leaves a teardown which never ends: it is lost before the next test listens.
#[track_caller]
fn on_a_runtime(test: impl AsyncFnOnce(&Reports)) {
    let reports = Reports::keep();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test(&reports));
    drop(runtime);
}

/// In every style, with a body that fails or, where the body is the context's to poll, panics.
async fn in_every_style<C, P>(
    reports: &Reports,
    expected: impl Fn(&str) -> Vec<String>,
    make: impl Fn() -> ContextManager<C, P>,
) where
    C: AsyncContext<Resource = (), Kind = Fallible<String>> + Send,
    P: Policy<C, Storage: Send, Origin: Send>,
{
    let check = async |body: &str, style: &str| {
        drain().await;
        assert_eq!(reports.take(), expected(body), "{style}");
    };
    let error = "'s body failed: \"body\" after failed";
    cut(make().with(async |()| failed()));
    check(error, "with").await;
    cut(make().with_local(async |()| failed()));
    check(error, "with_local").await;
    cut(make().outcome(async |()| failed()));
    check(error, "outcome").await;
    let guard = make().enter().await.unwrap();
    cut(guard.exit_with(failed()));
    check(error, "exit_with").await;

    let panic = "'s body panicked: body after panicked";
    cut(make().with(async |()| -> Result<(), String> { panic!("body") }));
    check(panic, "a panic").await;
}

#[tokio::test]
async fn under_spawn() {
    let (reports, _quiet, log) = (Reports::keep(), quiet(), Log::new());
    let only = |body: &str| vec![format!("context{body}")];
    in_every_style(&reports, only, || context(log.clone(), Well)).await;
    // Each of both, which is the teardown's first.
    let both = |teardown: &'static str| {
        move |body: &str| {
            let exit = body.rsplit(' ').next().unwrap();
            vec![
                format!("context {teardown} after {exit}"),
                format!("context{body}"),
            ]
        }
    };
    let teardown = both("failed: \"teardown\"");
    in_every_style(&reports, teardown, || context(log.clone(), Fails)).await;
    let teardown = both("panicked: teardown");
    in_every_style(&reports, teardown, || context(log.clone(), Panics)).await;
    in_every_style(&reports, only, || context(log.clone(), Well).boxed()).await;
    let said = log.take();
    assert!(
        said.iter().all(|said| said.contains("body")),
        "each teardown went on with the exit that it had: {said:?}"
    );
}

#[test]
fn under_spawn_local() {
    let (reports, _quiet, log) = (Reports::keep(), quiet(), Log::new());
    let runtime = Builder::new_current_thread().build().unwrap();
    let only = |body: &str| vec![format!("local{body}")];
    LocalSet::new().block_on(&runtime, async {
        in_every_style(&reports, only, || local(log.clone(), Well)).await;
    });
    // Off a `LocalSet`, where the teardown is lost besides.
    runtime.block_on(async {
        cut(local(log.clone(), Well).with(async |()| failed()));
    });
    assert_eq!(
        reports.take(),
        [
            "local lost its teardown: it was dropped outside of a `LocalSet` or `LocalRuntime` after failed",
            "local's body failed: \"body\" after failed",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_block() {
    let (reports, _quiet, log) = (Reports::keep(), quiet(), Log::new());
    let only = |body: &str| vec![format!("block{body}")];
    in_every_style(&reports, only, || block(log.clone(), Well)).await;
}

#[tokio::test]
async fn under_drop() {
    let (reports, _quiet, log) = (Reports::keep(), quiet(), Log::new());
    let only = |body: &str| vec![format!("dropped{body}")];
    for ends in [Well, Fails, Panics, Not] {
        in_every_style(&reports, only, || dropped(log.clone(), ends)).await;
    }
}

#[test]
fn when_the_runtime_is_shut_down() {
    let (reports, log) = (Reports::keep(), Log::new());
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        cut(context(log.clone(), Not).with(async |()| failed()));
        yields(3).await;
    });
    drop(runtime);
    assert_eq!(
        reports.take(),
        [
            "context lost its teardown: its rollback was dropped before its end, as in a shutdown of the runtime after failed",
            "context's body failed: \"body\" after failed",
        ]
    );
}

#[tokio::test]
async fn what_is_returned_or_swallowed_is_not_reported() {
    let (reports, log) = (Reports::keep(), Log::new());
    let with = context(log.clone(), Well).with(async |()| failed()).await;
    assert_eq!(with, failed());
    let guard = context(log.clone(), Well).enter().await.unwrap();
    assert_eq!(guard.exit_with(failed()).await, failed());
    // The error is the caller's own.
    let guard = context(log.clone(), Well).enter().await.unwrap();
    cut(async {
        let result = failed();
        guard.cancel().await?;
        result
    });
    cut(suppressing(Well).with(async |()| failed()));
    let guard = suppressing(Well).enter().await.unwrap();
    cut(guard.exit_with(failed()));
    drain().await;
    assert_eq!(reports.take(), [""; 0]);

    cut(suppressing(Fails).with(async |()| failed()));
    drain().await;
    assert_eq!(
        reports.take(),
        ["suppressing failed: \"teardown\" after failed"]
    );
}

#[test]
fn a_timeout_around_nested_contexts() {
    on_a_runtime(async |reports| {
        let log = Log::new();
        let nested = |inside: Ends, outside: Ends| {
            let log = log.clone();
            async move {
                let inner = log.clone();
                let with = outer(log, outside)
                    .with(async |()| context(inner, inside).with(async |()| failed()).await);
                tokio::time::timeout(Duration::from_millis(1), with)
                    .await
                    .unwrap_err();
            }
        };
        // The inner one's caller is the outer one's body, which is gone.
        nested(Not, Well).await;
        assert_eq!(reports.take(), [""; 0], "its teardown isn't over");
        let stuck = background::drain_timeout(Duration::from_millis(1)).await;
        assert!(stuck.is_err());
        assert_eq!(log.take(), ["context sees Failed(\"body\")"]);

        // The inner one returns the error; the outer one has it then.
        let inner = context(log.clone(), Well);
        let with =
            dropped_outer(log.clone(), Not).with(async |()| inner.with(async |()| failed()).await);
        tokio::time::timeout(Duration::from_millis(1), with)
            .await
            .unwrap_err();
        assert_eq!(
            reports.take(),
            ["dropped_outer's body failed: \"body\" after failed"]
        );
        assert_eq!(
            log.take(),
            [
                "context sees Failed(\"body\")",
                "dropped_outer sees Failed(\"body\")"
            ]
        );
    });
}

/// Drops, in the inner one's teardown, what `nested` makes of a body in two contexts: each of these is told of its own.
async fn told_of_their_own<F: Future>(nested: impl FnOnce(Log) -> F) {
    let (reports, log) = (Reports::keep(), Log::new());
    cut(nested(log.clone()));
    drain().await;
    assert_eq!(
        log.take(),
        ["context sees Failed(\"body\")", "outer sees Cancelled",]
    );
    assert_eq!(
        reports.take(),
        ["context's body failed: \"body\" after failed"]
    );
}

#[tokio::test]
async fn nested_contexts_are_told_of_their_own() {
    told_of_their_own(async |log| {
        let inner = context(log.clone(), Well);
        outer(log, Well)
            .with(async |()| inner.with(async |()| failed()).await)
            .await
    })
    .await;
}

#[tokio::test]
async fn in_a_block() {
    told_of_their_own(|log| {
        async_with!(
            _a = outer(log.clone(), Well),
            _b = context(log, Well),
            async || failed()
        )
    })
    .await;
}

mod tuples {
    use super::*;

    /// Polls it as often, and drops it.
    async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) {
        let mut future = Box::pin(future);
        for _ in 0..polls {
            assert!(poll_once(future.as_mut()).is_pending());
        }
        drop(future);
        drain().await;
    }

    #[tokio::test]
    async fn roll_back_as_one() {
        let (reports, log) = (Reports::keep(), Log::new());
        // In the inner one's teardown, and in the outer one's.
        let outer_sees = [
            (1, "outer sees Cancelled"),
            (3, "outer sees Failed(\"body\")"),
        ];
        for (polls, outer_sees) in outer_sees {
            let both = (outer(log.clone(), Well), context(log.clone(), Well));
            cut_after(polls, both.with(async |_| failed())).await;
            let reported = reports.take();
            assert!(
                matches!(&*reported, [one] if one.ends_with("'s body failed: \"body\" after failed")),
                "{reported:?}"
            );
            assert_eq!(log.take(), ["context sees Failed(\"body\")", outer_sees]);
        }
    }

    #[tokio::test]
    async fn that_are_dropped() {
        let (reports, _quiet, log) = (Reports::keep(), quiet(), Log::new());
        let make = |ends| (dropped_outer(log.clone(), Not), dropped(log.clone(), ends));
        let well = async |_: &mut _| -> Result<(), String> { Ok(()) };
        let of_body = "'s body failed: \"body\" after failed";

        cut_after(1, make(Well).with(async |_| failed())).await;
        let reported = reports.take();
        assert!(
            matches!(&*reported, [one] if one.ends_with(of_body)),
            "{reported:?}"
        );
        cut_after(3, make(Well).with(async |_| failed())).await;
        let reported = reports.take();
        assert!(
            matches!(&*reported, [one] if one.ends_with(of_body)),
            "{reported:?}"
        );

        // The inner one's failure, which the outer one has been told of, or hasn't, since it is told of the body's.
        cut_after(3, make(Fails).with(well)).await;
        assert_eq!(
            reports.take(),
            ["dropped failed: \"teardown\" after completed"]
        );
        cut_after(3, make(Panics).with(well)).await;
        assert_eq!(
            reports.take(),
            ["dropped panicked: teardown after completed"]
        );
        for (ends, teardown) in [
            (Fails, "dropped failed: \"teardown\" after failed"),
            (Panics, "dropped panicked: teardown after failed"),
        ] {
            cut_after(3, make(ends).with(async |_| failed())).await;
            let reported = reports.take();
            assert!(
                matches!(&*reported, [one, two] if one == teardown && two.ends_with(of_body)),
                "{reported:?}"
            );
        }
    }
}

mod stacks {
    use super::*;

    #[tokio::test]
    async fn exited_with_an_error() {
        let (reports, log) = (Reports::keep(), Log::new());
        let stack = ExitStack::new();
        stack.enter(outer(log.clone(), Well)).await.unwrap();
        stack.enter(context(log.clone(), Well)).await.unwrap();
        cut(stack.exit_with(failed()));
        drain().await;
        assert_eq!(
            log.take(),
            ["context sees Failed(\"body\")", "outer sees Cancelled",]
        );
        assert_eq!(
            reports.take(),
            ["context's body failed: \"body\" after failed"]
        );

        let stack = ExitStack::suppressing();
        stack.push(async |exit| {
            exit.suppress();
            yields(1).await;
        });
        cut(stack.exit_with(failed()));
        drain().await;
        assert_eq!(reports.take(), [""; 0]);
    }

    #[tokio::test]
    async fn as_a_scope() {
        let (reports, log) = (Reports::keep(), Log::new());
        cut(ExitStack::scope(async |stack| {
            stack.enter(context(log.clone(), Well)).await?;
            failed()
        }));
        drain().await;
        assert_eq!(log.take(), ["context sees Failed(\"body\")"]);
        assert_eq!(
            reports.take(),
            ["context's body failed: \"body\" after failed"]
        );
        // No entry has it yet: the stack waits for what its body has started.
        cut(ExitStack::scope(async |stack| {
            stack.enter(outer(log.clone(), Well)).await?;
            drop(context(log.clone(), Well).enter().await?);
            failed()
        }));
        drain().await;
        assert_eq!(
            log.take(),
            ["context sees Cancelled", "outer sees Cancelled"]
        );
        assert_eq!(
            reports.take(),
            ["ExitStack's body failed: \"body\" after failed"]
        );
    }
}

/// Its own failure is a text, since the error has to stay on its thread.
#[tokio::test]
async fn an_error_that_is_not_send() {
    #[derive(Debug)]
    struct Stays(#[expect(dead_code, reason = "printed")] Rc<str>);
    impl From<String> for Stays {
        fn from(text: String) -> Self {
            Stays(text.into())
        }
    }
    let (reports, log) = (Reports::keep(), Log::new());
    let with = context(log.clone(), Well)
        .with_local(async |()| -> Result<(), Stays> { Err("body".to_owned().into()) });
    cut(with);
    drain().await;
    assert_eq!(
        reports.take(),
        ["context's body failed: Stays(\"body\") after failed"]
    );
}

/// Drops its yield point as soon as its body has been polled, and goes on.
#[async_context]
async fn gives_up(lingers: bool) -> Result<(), String> {
    let mut body = Box::pin(async { yield_resource!(move ()).1.kind() });
    assert!(futures::poll!(body.as_mut()).is_pending());
    yields(1).await;
    assert!(futures::poll!(body.as_mut()).is_pending());
    drop(body);
    if lingers {
        yields(1).await;
    }
    Err("given up".to_owned())
}

#[test]
fn a_context_that_has_ended_its_body() {
    on_a_runtime(async |reports| {
        let log = Log::new();
        // It is over but for what its body has left, which never is.
        let with = async |fails: bool| {
            let left = context(log.clone(), Not);
            let mut with = Box::pin(gives_up(false).with(async |()| {
                drop(left.enter().await?);
                if fails {
                    return failed();
                }
                pending().await
            }));
            for _ in 0..4 {
                assert!(poll_once(with.as_mut()).is_pending());
            }
            assert_eq!(reports.take(), [""; 0]);
        };
        with(false).await;
        assert_eq!(
            reports.take(),
            ["gives_up failed: \"given up\" after cancelled"]
        );
        // The body was over when its context dropped it, and hadn't been asked.
        with(true).await;
        assert_eq!(
            reports.take(),
            [
                "gives_up's body failed: \"body\" after failed",
                "gives_up failed: \"given up\" after cancelled",
            ]
        );
    });
}

#[tokio::test]
async fn a_body_that_was_over_when_its_context_dropped_it() {
    let (reports, _quiet) = (Reports::keep(), quiet());
    for panics in [false, true] {
        let mut with = Box::pin(gives_up(true).with(async |()| match panics {
            true => panic!("body"),
            false => failed(),
        }));
        assert!(poll_once(with.as_mut()).is_pending());
        drop(with);
        let how = match panics {
            true => "panicked: body after panicked",
            false => "failed: \"body\" after failed",
        };
        assert_eq!(reports.take(), [format!("gives_up's body {how}")]);
        drain().await;
        assert_eq!(
            reports.take(),
            ["gives_up failed: \"given up\" after cancelled"]
        );
    }
}

/// A destructor in the frame that panics doesn't hide it.
#[tokio::test]
async fn a_destructor_that_panics() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("destructor");
        }
    }
    #[async_context]
    async fn armed() -> Result<(), String> {
        let _bomb = Bomb;
        let _ = yield_resource!();
        yields(1).await;
    }
    let (reports, _quiet) = (Reports::keep(), quiet());
    cut(armed().with(async |()| failed()));
    drain().await;
    assert_eq!(
        reports.take(),
        [
            "armed panicked: destructor after failed",
            "armed's body failed: \"body\" after failed",
        ]
    );
}
