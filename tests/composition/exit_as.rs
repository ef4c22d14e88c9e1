//! `exit_as`: a context that holds another one's guard tells it what it is told itself, as `await inner.__aexit__(*exc_info)` does.

use contextlib::{BoxGuard, Exit, async_context, background, yield_resource};
use contextlib_tests::{Log, Reports};
use futures::FutureExt;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, resume_unwind},
};
use tokio::task::yield_now;

#[derive(PartialEq, Debug)]
struct BodyError;

#[async_context]
async fn inner(log: Log, fails: bool) -> Result<u32, BodyError> {
    let exit = yield_resource!(7);
    yield_now().await;
    log.say(format!("inner {exit:?}"));
    if fails {
        return Err(BodyError);
    }
}

#[async_context]
async fn outer(log: Log, fails: bool) -> Result<BoxGuard<'static, u32, BodyError>, BodyError> {
    let mut guard = inner(log.clone(), fails).boxed().enter().await?;
    let exit = yield_resource!(guard);
    assert_eq!(format!("{guard}"), "7");
    guard.exit_as(exit).await?;
    log.say(format!("outer {exit:?}"));
}

type Yielded = BoxGuard<'static, u32, BodyError>;

fn both(told: &str) -> [String; 2] {
    [format!("inner {told}"), format!("outer {told}")]
}

#[tokio::test]
async fn each_is_told_the_same() {
    let reports = Reports::keep();
    let log = Log::new();
    let with = outer(log.clone(), false).with(async |_: &mut Yielded| Ok(1));
    assert_eq!(with.await, Ok::<_, BodyError>(1));
    assert_eq!(log.lines(), both("Completed"));

    let log = Log::new();
    let with = outer(log.clone(), false).with(async |_: &mut Yielded| Err(BodyError));
    assert_eq!(with.await, Err::<(), _>(BodyError));
    assert_eq!(log.lines(), both("Failed(BodyError)"));

    let payloads: [(Box<dyn Any + Send>, [&str; 2]); 2] = [
        (Box::new("why"), ["Panicked(\"why\")"; 2]),
        (
            Box::new(5_u32),
            [
                "Panicked(\"a panic whose payload is no string\")",
                "Panicked(a panic whose payload is no string)",
            ],
        ),
    ];
    for (payload, [to_inner, to_outer]) in payloads {
        let log = Log::new();
        let of = (*payload).type_id();
        let body = async |_: &mut Yielded| -> Result<(), BodyError> { resume_unwind(payload) };
        let with = AssertUnwindSafe(outer(log.clone(), false).with(body)).catch_unwind();
        let payload = with.await.expect_err("it goes on");
        assert_eq!((*payload).type_id(), of);
        let lines = [format!("inner {to_inner}"), format!("outer {to_outer}")];
        assert_eq!(log.lines(), lines);
    }

    let log = Log::new();
    drop(outer(log.clone(), false).enter().await);
    background::drain().await;
    assert_eq!(log.lines(), both("Cancelled"));
    assert_eq!(reports.take(), [""; 0]);
}

/// Dropped in its middle, each goes on; the body's error, which nobody gets any more, is reported once.
#[tokio::test]
async fn in_the_middle_it_goes_on() {
    let reports = Reports::keep();
    let log = Log::new();
    let with = outer(log.clone(), false).with(async |_: &mut Yielded| Err::<(), _>(BodyError));
    assert!(with.now_or_never().is_none());
    background::drain().await;
    assert_eq!(log.lines(), both("Failed(BodyError)"));
    let reports = reports.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
}

/// A teardown that drops the future of `exit_as` leaves the inner one to its rollback; whose failure it is, isn't told twice.
#[tokio::test]
async fn dropped_by_the_teardown() {
    #[async_context]
    async fn impatient(log: Log) -> Result<(), BodyError> {
        let guard = inner(log.clone(), false).enter().await?;
        let exit = yield_resource!();
        assert!(guard.exit_as(exit).now_or_never().is_none());
        assert!(matches!(exit, Exit::Failed(_)));
    }
    let reports = Reports::keep();
    let log = Log::new();
    let with = impatient(log.clone()).with(async |_: &mut ()| Err::<(), _>(BodyError));
    assert_eq!(with.await, Err(BodyError));
    background::drain().await;
    assert_eq!(log.lines(), ["inner Failed(BodyError)"]);
    assert_eq!(reports.take(), [""; 0]);
}

/// The inner one's error is the outer one's, as that of anything that it awaits.
#[tokio::test]
async fn its_error_is_returned() {
    let reports = Reports::keep();
    let log = Log::new();
    let with = outer(log.clone(), true).with(async |_: &mut Yielded| Ok(1));
    assert_eq!(with.await, Err::<u32, _>(BodyError));
    assert_eq!(log.lines(), ["inner Completed"]);
    assert_eq!(reports.take(), [""; 0]);
}

mod several {
    //! A guard of contexts put together: each is told the same.

    use super::*;
    use contextlib::{ExitStack, IntoContextManager};
    use std::{fmt, io};

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Held {
        Tuple,
        BoxedTuple,
        Stack,
        StacksGuard,
    }
    use Held::*;

    #[async_context]
    async fn part(log: Log, name: &'static str, does: Does) -> io::Result<()> {
        let exit = yield_resource!();
        yield_now().await;
        log.say(format!("{name} {exit:?}"));
        match does {
            Does::Succeed => {}
            Does::Fail => return Err(io::Error::other(name)),
            Does::Panic => resume_unwind(Box::new(name)),
        }
    }

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Does {
        Succeed,
        Fail,
        Panic,
    }

    #[async_context]
    async fn holds(log: Log, held: Held, inner: Does) -> io::Result<()> {
        let outer = part(log.clone(), "outer", Does::Succeed);
        let inner = part(log, "inner", inner);
        match held {
            Tuple => {
                let both = (outer, inner).into_context_manager();
                let guard = both.err_into::<io::Error>().enter().await?;
                let exit = yield_resource!();
                guard.exit_as(exit).await?;
            }
            BoxedTuple => {
                let both = (outer, inner).into_context_manager();
                let guard = both.err_into::<io::Error>().boxed().enter().await?;
                let exit = yield_resource!();
                guard.exit_as(exit).await?;
            }
            Stack => {
                let stack = ExitStack::<io::Error>::new();
                stack.enter(outer).await?;
                stack.enter(inner).await?;
                let exit = yield_resource!();
                stack.exit_as(exit).await?;
            }
            StacksGuard => {
                let stack = ExitStack::<io::Error>::context().enter().await?;
                stack.enter(outer).await?;
                stack.enter(inner).await?;
                let exit = yield_resource!();
                stack.exit_as(exit).await?;
            }
        }
    }

    const HELD: [Held; 4] = [Tuple, BoxedTuple, Stack, StacksGuard];

    /// What comes of a body that does this.
    async fn run(held: Held, inner: Does, body: Does) -> (Vec<String>, String, Vec<String>) {
        let reports = Reports::keep();
        let log = Log::new();
        let body = async move |_: &mut ()| match body {
            Does::Succeed => Ok(()),
            Does::Fail => Err(io::Error::other("body")),
            Does::Panic => panic!("body"),
        };
        let _quiet = contextlib_tests::quiet();
        let with = AssertUnwindSafe(holds(log.clone(), held, inner).with(body)).catch_unwind();
        let result = match with.await {
            Ok(Ok(())) => "well".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(payload) => format!("panic {:?}", payload.downcast_ref::<&str>()),
        };
        (log.lines(), result, reports.take_failures())
    }

    fn told(by_name: [(&str, &dyn fmt::Display); 2]) -> Vec<String> {
        let lines = by_name.map(|(name, exit)| format!("{name} {exit}"));
        lines.into()
    }

    #[tokio::test]
    async fn each_is_told_the_same() {
        let failed = r#"Failed(Custom { kind: Other, error: "body" })"#;
        for held in HELD {
            for (body, exit, result) in [
                (Does::Succeed, "Completed", "well"),
                (Does::Fail, failed, "body"),
                (Does::Panic, r#"Panicked("body")"#, r#"panic Some("body")"#),
            ] {
                let came = run(held, Does::Succeed, body).await;
                let lines = told([("inner", &exit), ("outer", &exit)]);
                assert_eq!(came, (lines, result.to_owned(), vec![]), "{held:?}");
            }
        }
    }

    /// An inner one's own failure is what the outer one is told, and what `exit_as` comes to: the body's has its own way to whoever gets it.
    #[tokio::test]
    async fn a_failure_on_the_way() {
        let body = r#"Failed(Custom { kind: Other, error: "body" })"#;
        let inner = r#"Failed(Custom { kind: Other, error: "inner" })"#;
        let panicked = r#"Panicked("inner")"#;
        for held in HELD {
            let came = run(held, Does::Fail, Does::Succeed).await;
            let lines = told([("inner", &"Completed"), ("outer", &inner)]);
            assert_eq!(came, (lines, "inner".to_owned(), vec![]), "{held:?}");

            let came = run(held, Does::Fail, Does::Fail).await;
            let lines = told([("inner", &body), ("outer", &inner)]);
            let reported = vec![r#"failed: Custom { kind: Other, error: "inner" }"#.to_owned()];
            assert_eq!(came, (lines, "body".to_owned(), reported), "{held:?}");

            let came = run(held, Does::Panic, Does::Fail).await;
            let lines = told([("inner", &body), ("outer", &panicked)]);
            let reported = vec![r#"failed: Custom { kind: Other, error: "body" }"#.to_owned()];
            let result = r#"panic Some("inner")"#.to_owned();
            assert_eq!(came, (lines, result, reported), "{held:?}");
        }
    }

    #[tokio::test]
    async fn cancelled() {
        let reports = Reports::keep();
        for held in HELD {
            let log = Log::new();
            drop(holds(log.clone(), held, Does::Succeed).enter().await);
            background::drain().await;
            let lines = told([("inner", &"Cancelled"), ("outer", &"Cancelled")]);
            assert_eq!(log.lines(), lines, "{held:?}");
            assert_eq!(reports.take(), [""; 0]);
        }
    }
}
