//! Every outcome of the body with every outcome of the teardown, in strict and in suppressing contexts: what is returned and what is reported.
//! Promises 13 and 14 are here too, as far as they say which of two failures is returned.

use contextlib::{
    AsyncContext, ContextManager, Exit, async_context, background, kind, policy::Policy,
    yield_resource,
};
use contextlib_tests::{ContextError, Log, Reports, message, quiet, yields};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Succeeds,
    Fails,
    Panics,
}
use How::{Fails, Panics, Succeeds};
const HOW: [How; 3] = [Succeeds, Fails, Panics];

#[derive(Debug, PartialEq, Eq)]
enum Error {
    Body,
    Context(&'static str),
}
impl From<ContextError> for Error {
    fn from(ContextError(text): ContextError) -> Self {
        Error::Context(text)
    }
}

async fn end(how: How) -> Result<(), ContextError> {
    yields(1).await;
    match how {
        Succeeds => Ok(()),
        Fails => Err(ContextError("teardown")),
        Panics => panic!("teardown"),
    }
}

#[async_context]
async fn strict(teardown: How) -> Result<u8, ContextError> {
    let _ = yield_resource!(1);
    end(teardown).await
}

#[async_context(suppress)]
async fn suppressing(teardown: How, suppresses: bool) -> Result<u8, ContextError> {
    let exit = yield_resource!(1);
    if suppresses {
        exit.suppress();
    }
    end(teardown).await
}

async fn body(how: How) -> Result<&'static str, Error> {
    yields(1).await;
    match how {
        Succeeds => Ok("value"),
        Fails => Err(Error::Body),
        Panics => panic!("body"),
    }
}

/// What comes out: the value, no value, an error, a panic.
#[derive(Debug, PartialEq, Eq)]
enum Out {
    Value,
    Nothing,
    BodysError,
    ContextsError,
    BodysPanic,
    ContextsPanic,
}
use Out::{BodysError, BodysPanic, ContextsError, ContextsPanic, Nothing, Value};

async fn out<R>(
    run: impl Future<Output = Result<R, Error>>,
    has_value: impl FnOnce(R) -> bool,
) -> Out {
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(Ok(value)) => {
            assert!(has_value(value));
            Value
        }
        Ok(Err(Error::Body)) => BodysError,
        Ok(Err(Error::Context("teardown"))) => ContextsError,
        Ok(Err(Error::Context(other))) => panic!("{other}"),
        Err(payload) => match message(&*payload) {
            "body" => BodysPanic,
            "teardown" => ContextsPanic,
            other => panic!("{other}"),
        },
    }
}

/// What the caller gets, and what is reported: of two failures the body's is returned; a panic goes on before an error.
fn expected(body: How, teardown: How) -> (Out, Vec<&'static str>) {
    match (body, teardown) {
        (Succeeds, Succeeds) => (Value, vec![]),
        (Succeeds, Fails) => (ContextsError, vec![]),
        (Succeeds, Panics) => (ContextsPanic, vec![]),
        (Fails, Succeeds) => (BodysError, vec![]),
        (Fails, Fails) => (
            BodysError,
            vec![" failed: ContextError(\"teardown\") after failed"],
        ),
        (Fails, Panics) => (ContextsPanic, vec!["'s body failed: Body after failed"]),
        (Panics, Succeeds) => (BodysPanic, vec![]),
        (Panics, Fails) => (
            BodysPanic,
            vec![" failed: ContextError(\"teardown\") after panicked"],
        ),
        (Panics, Panics) => (BodysPanic, vec![" panicked: teardown after panicked"]),
    }
}

/// Where the context has suppressed it, the body's failure is neither returned nor reported.
fn expected_if_suppressed(body: How, teardown: How) -> (Out, Vec<&'static str>) {
    match (body, teardown) {
        (Succeeds, _) => expected(body, teardown),
        (Fails | Panics, Succeeds) => (Nothing, vec![]),
        (Fails | Panics, Fails) => (ContextsError, vec![]),
        (Fails | Panics, Panics) => (ContextsPanic, vec![]),
    }
}

#[track_caller]
fn assert_reported(reports: &Reports, context: &str, expected: &[&str], when: &str) {
    let expected = Vec::from_iter(expected.iter().map(|report| format!("{context}{report}")));
    assert_eq!(reports.take(), expected, "{when}");
}

#[tokio::test]
async fn strict_contexts() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for how in HOW {
        for teardown in HOW {
            let (expected, reported) = expected(how, teardown);
            let when = format!("body {how:?}, teardown {teardown:?}");
            let is_value = |value: &str| value == "value";

            let with = strict(teardown).with(async |_| body(how).await);
            assert_eq!(out(with, is_value).await, expected, "with: {when}");
            assert_reported(&reports, "strict", &reported, &when);

            let with = strict(teardown).with_local(async |_| body(how).await);
            assert_eq!(out(with, is_value).await, expected, "with_local: {when}");
            assert_reported(&reports, "strict", &reported, &when);

            let block = async {
                contextlib::async_with!(
                    _ = strict(teardown),
                    async || -> Result<&'static str, Error> { body(how).await }
                )
                .await
            };
            assert_eq!(out(block, is_value).await, expected, "async_with: {when}");
            assert_reported(&reports, "strict", &reported, &when);

            if how != Panics {
                let guard = strict(teardown).enter().await.unwrap();
                assert_eq!(
                    out(async { guard.exit_with(body(how).await).await }, is_value).await,
                    expected,
                    "exit_with: {when}"
                );
                assert_reported(&reports, "strict", &reported, &when);
            }
        }
    }
}

#[tokio::test]
async fn suppressing_contexts() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for suppresses in [false, true] {
        for how in HOW {
            for teardown in HOW {
                let (expected, reported) = if suppresses {
                    expected_if_suppressed(how, teardown)
                } else {
                    expected(how, teardown)
                };
                let when = format!("body {how:?}, teardown {teardown:?}, suppressed: {suppresses}");
                async fn out(
                    run: impl Future<Output = Result<Option<&'static str>, Error>>,
                ) -> Out {
                    let mut nothing = false;
                    let out =
                        super::promise_12_the_bodys_outcome_is_never_swallowed::out(run, |value| {
                            nothing = value.is_none();
                            true
                        });
                    let out = out.await;
                    if nothing { Nothing } else { out }
                }

                let with = suppressing(teardown, suppresses).with(async |_| body(how).await);
                assert_eq!(out(with).await, expected, "with: {when}");
                assert_reported(&reports, "suppressing", &reported, &when);

                let with = suppressing(teardown, suppresses).with_local(async |_| body(how).await);
                assert_eq!(out(with).await, expected, "with_local: {when}");
                assert_reported(&reports, "suppressing", &reported, &when);

                if how != Panics {
                    let guard = suppressing(teardown, suppresses).enter().await.unwrap();
                    assert_eq!(
                        out(async { guard.exit_with(body(how).await).await }).await,
                        expected,
                        "exit_with: {when}"
                    );
                    assert_reported(&reports, "suppressing", &reported, &when);
                }
            }
        }
    }
}

/// `outcome` returns both, so that nothing is reported unless a panic takes the way of a value.
#[tokio::test]
async fn outcome_returns_both() {
    async fn run<C, P>(
        manager: ContextManager<C, P>,
        how: How,
    ) -> Result<
        (
            Option<Result<&'static str, Error>>,
            bool,
            Result<(), ContextError>,
        ),
        Out,
    >
    where
        C: AsyncContext<Resource = u8, Kind: kind::Kind<Error = ContextError>> + Send,
        P: Policy<C, Storage: Send, Origin: Send>,
    {
        let outcome = manager.outcome(async |_| body(how).await);
        match AssertUnwindSafe(outcome).catch_unwind().await {
            Ok(outcome) => Ok((outcome.body, outcome.suppressed, outcome.context)),
            Err(payload) if message(&*payload) == "body" => Err(BodysPanic),
            Err(payload) if message(&*payload) == "teardown" => Err(ContextsPanic),
            Err(payload) => panic!("{}", message(&*payload)),
        }
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    for how in HOW {
        for teardown in HOW {
            let when = format!("body {how:?}, teardown {teardown:?}");
            let of_body = || match how {
                Succeeds => Ok("value"),
                _ => Err(Error::Body),
            };
            let of_context = || {
                if teardown == Fails {
                    Err(ContextError("teardown"))
                } else {
                    Ok(())
                }
            };

            let outcome = run(strict(teardown), how).await;
            let (panics, reported) = match (how, teardown) {
                (Panics, _) => (Some(BodysPanic), expected(how, teardown).1),
                (_, Panics) => (Some(ContextsPanic), expected(how, teardown).1),
                _ => (None, vec![]),
            };
            assert_eq!(
                outcome,
                panics.map_or_else(|| Ok((Some(of_body()), false, of_context())), Err),
                "{when}"
            );
            assert_reported(&reports, "strict", &reported, &when);

            // A panic that was suppressed isn't returned by any means: there is no error to be had of it.
            let outcome = run(suppressing(teardown, true), how).await;
            let expected = match (how, teardown) {
                (_, Panics) => Err(ContextsPanic),
                (Panics, _) => Ok((None, true, of_context())),
                _ => Ok((Some(of_body()), how == Fails, of_context())),
            };
            assert_eq!(outcome, expected, "suppressed: {when}");
            assert_reported(&reports, "suppressing", &[], &when);
        }
    }
}

/// What `exit` and `cancel` return is the context's own.
#[tokio::test]
async fn exit_and_cancel() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for teardown in HOW {
        for cancels in [false, true] {
            let guard = strict(teardown).enter().await.unwrap();
            let exit = async {
                if cancels {
                    guard.cancel().await
                } else {
                    guard.exit().await
                }
            };
            let ended = AssertUnwindSafe(exit).catch_unwind().await;
            match teardown {
                Succeeds => assert_eq!(ended.unwrap(), Ok(())),
                Fails => assert_eq!(ended.unwrap(), Err(ContextError("teardown"))),
                Panics => assert_eq!(message(&*ended.unwrap_err()), "teardown"),
            }
            assert_reported(&reports, "strict", &[], "returned");
        }
        // Nobody is there to be returned anything.
        drop(strict(teardown).enter().await.unwrap());
        background::drain().await;
        let reported: &[&str] = match teardown {
            Succeeds => &[],
            Fails => &[" failed: ContextError(\"teardown\") after cancelled"],
            Panics => &[" panicked: teardown after cancelled"],
        };
        assert_reported(&reports, "strict", reported, "dropped");
    }
}

/// A context that ends its body early, with an error or, if it is a suppressing one, without.
#[tokio::test]
async fn a_body_that_is_ended_early() {
    #[async_context(suppress)]
    async fn ends_early(with: Result<(), ContextError>) -> Result<(), ContextError> {
        tokio::select! {
            biased;
            _ = async { yield_resource!(move ()) } => {}
            () = yields(2) => return with,
        }
    }
    let reports = Reports::keep();
    let never = async |(): &mut ()| -> Result<&'static str, Error> { std::future::pending().await };
    assert_eq!(ends_early(Ok(())).with(never).await, Ok(None));
    assert_eq!(
        ends_early(Err(ContextError("early"))).with(never).await,
        Err(Error::Context("early"))
    );
    let outcome = ends_early(Ok(())).outcome(never).await;
    assert_eq!(
        (outcome.body, outcome.suppressed, outcome.context),
        (None, false, Ok(()))
    );
    // A body that is over in time isn't ended.
    assert_eq!(
        ends_early(Ok(()))
            .with(async |()| body(Succeeds).await)
            .await,
        Ok(Some("value"))
    );
    assert_eq!(
        ends_early(Ok(())).with(async |()| body(Fails).await).await,
        Err(Error::Body)
    );
    assert_reported(&reports, "ends_early", &[], "nothing is lost");
}

/// A setup that fails runs no body, and no teardown.
#[tokio::test]
async fn a_setup_that_fails() {
    #[async_context]
    async fn refuses(how: How, log: Log) -> Result<u8, ContextError> {
        end(how).await?;
        let _ = yield_resource!(1);
        log.say("teardown");
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    let log = Log::new();
    let never =
        async |_: &mut u8| -> Result<&'static str, Error> { unreachable!("there is no resource") };
    let refuses = |how| refuses(how, log.clone());
    assert_eq!(
        out(refuses(Fails).with(never), |_| true).await,
        ContextsError
    );
    assert_eq!(
        out(refuses(Panics).with(never), |_| true).await,
        ContextsPanic
    );
    assert_eq!(
        refuses(Fails).enter().await.err(),
        Some(ContextError("teardown"))
    );
    assert!(
        AssertUnwindSafe(refuses(Panics).enter())
            .catch_unwind()
            .await
            .is_err()
    );
    let outcome = refuses(Fails).outcome(never).await;
    assert_eq!(
        (outcome.body, outcome.suppressed, outcome.context),
        (None, false, Err(ContextError("teardown")))
    );
    background::drain().await;
    assert!(log.lines().is_empty());
    assert_reported(&reports, "refuses", &[], "all of it was returned");
}

/// A setup that panics isn't finished or rolled back by anybody, under no policy.
#[tokio::test]
async fn a_setup_that_panics_under_setup_finish() {
    #[async_context(setup = finish)]
    async fn panics() {
        yields(1).await;
        if true {
            panic!("teardown");
        }
        let _ = yield_resource!();
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    assert!(
        AssertUnwindSafe(panics().enter())
            .catch_unwind()
            .await
            .is_err()
    );
    assert!(
        AssertUnwindSafe(panics().run(async |()| ()))
            .catch_unwind()
            .await
            .is_err()
    );
    background::drain().await;
    assert_reported(&reports, "panics", &[], "it reached the caller");
}

/// An error that looks like one of the library's own ways to end means nothing to it.
#[tokio::test]
async fn no_error_type_has_a_meaning_of_its_own() {
    #[async_context]
    async fn context(log: Log) -> Result<(), ContextError> {
        let exit = yield_resource!();
        log.say(if matches!(exit, Exit::Failed(_)) {
            "failed"
        } else {
            "otherwise"
        });
    }
    let log = Log::new();
    #[derive(Debug)]
    #[expect(dead_code, reason = "only its type matters")]
    enum Odd {
        Stop,
        Exit(contextlib::ExitKind),
        Report(Box<dyn std::error::Error + Send>),
    }
    impl From<ContextError> for Odd {
        fn from(_: ContextError) -> Self {
            unreachable!()
        }
    }
    let error = context(log.clone())
        .with(async |()| -> Result<(), Odd> { Err(Odd::Exit(contextlib::ExitKind::Cancelled)) })
        .await;
    assert!(matches!(
        error,
        Err(Odd::Exit(contextlib::ExitKind::Cancelled))
    ));
    let error = context(log.clone())
        .with(async |()| -> Result<(), Odd> { Err(Odd::Stop) })
        .await;
    assert!(matches!(error, Err(Odd::Stop)));
    assert_eq!(log.lines(), ["failed", "failed"]);
}
