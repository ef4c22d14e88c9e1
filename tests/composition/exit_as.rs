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
