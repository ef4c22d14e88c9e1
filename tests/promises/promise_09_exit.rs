//! `yield_resource!` evaluates to how the body ended; the value is `Send + Sync`, and may be held across awaits.

use contextlib::{
    ErrorView, Exit, ExitKind, PanicView, async_context, background, kind::Suppressing,
    yield_resource,
};
use contextlib_tests::{BodyError, ContextError, Log, poll_once, quiet, yields};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::Arc,
};

fn is_send_and_sync<T: Send + Sync + Copy>() {}

#[test]
fn it_is_send_sync_and_copy() {
    is_send_and_sync::<Exit<'_>>();
    is_send_and_sync::<Exit<'_, Suppressing>>();
    is_send_and_sync::<ErrorView<'_>>();
    is_send_and_sync::<PanicView<'_>>();
    is_send_and_sync::<ExitKind>();
}

#[async_context]
async fn context(log: Log) -> Result<u8, ContextError> {
    let exit = yield_resource!(1);
    // Across awaits, on a frame that has to be `Send`.
    yields(1).await;
    let again = exit;
    match exit {
        Exit::Completed => log.say("completed"),
        Exit::Failed(error) => log.say(format!("failed: {error:?}")),
        Exit::Panicked(panic) => {
            yields(1).await;
            log.say(format!("panicked: {panic:?} {:?}", panic.message()));
        }
        Exit::Cancelled => log.say("cancelled"),
    }
    let is = [
        again.is_completed(),
        again.is_failed(),
        again.is_panicked(),
        again.is_cancelled(),
    ];
    assert_eq!(is.iter().filter(|is| **is).count(), 1);
    let kind = match is {
        [true, ..] => ExitKind::Completed,
        [_, true, ..] => ExitKind::Failed,
        [_, _, true, _] => ExitKind::Panicked,
        _ => ExitKind::Cancelled,
    };
    assert_eq!(again.kind(), kind);
    assert_eq!(again, kind);
    assert_ne!(
        again,
        if kind == ExitKind::Failed {
            ExitKind::Completed
        } else {
            ExitKind::Failed
        }
    );
    assert_eq!(again.error().is_some(), kind == ExitKind::Failed);
    assert_eq!(again.panic().is_some(), kind == ExitKind::Panicked);
    log.say(format!("{again:?}"));
}

#[tokio::test]
async fn in_closure_style() {
    let _quiet = quiet();
    let log = Log::new();
    let run = |how: &'static str| {
        let log = log.clone();
        context(log).with(async move |_| -> Result<(), BodyError> {
            match how {
                "fails" => Err(BodyError::Own("error")),
                "panics with a text" => panic!("text"),
                "panics with a formatted text" => panic!("text {}", how.len()),
                "panics with a value" => panic_any(7),
                "never ends" => std::future::pending().await,
                _ => Ok(()),
            }
        })
    };
    assert_eq!(run("succeeds").await, Ok(()));
    assert_eq!(log.take(), ["completed", "Completed"]);
    assert_eq!(run("fails").await, Err(BodyError::Own("error")));
    assert_eq!(
        log.take(),
        ["failed: Own(\"error\")", "Failed(Own(\"error\"))"]
    );
    assert!(tokio::spawn(run("panics with a text")).await.is_err());
    assert_eq!(
        log.take(),
        ["panicked: \"text\" Some(\"text\")", "Panicked(\"text\")"]
    );
    assert!(
        tokio::spawn(run("panics with a formatted text"))
            .await
            .is_err()
    );
    assert_eq!(log.take()[0], "panicked: \"text 28\" Some(\"text 28\")");
    assert!(tokio::spawn(run("panics with a value")).await.is_err());
    assert_eq!(
        log.take()[0],
        "panicked: a panic whose payload is no string None"
    );
    let mut never = Box::pin(run("never ends"));
    assert!(poll_once(never.as_mut()).is_pending());
    drop(never);
    background::drain().await;
    assert_eq!(log.take(), ["cancelled", "Cancelled"]);
}

#[tokio::test]
async fn in_guard_style() {
    let log = Log::new();
    let enter = async || context(log.clone()).enter().await.unwrap();
    enter().await.exit().await.unwrap();
    assert_eq!(log.take()[1], "Completed");
    assert_eq!(enter().await.exit_with(Ok::<_, BodyError>(1)).await, Ok(1));
    assert_eq!(log.take()[1], "Completed");
    assert_eq!(
        enter()
            .await
            .exit_with(Err::<(), _>(BodyError::Own("error")))
            .await,
        Err(BodyError::Own("error"))
    );
    assert_eq!(log.take()[1], "Failed(Own(\"error\"))");
    enter().await.cancel().await.unwrap();
    assert_eq!(log.take()[1], "Cancelled");
    drop(enter().await);
    background::drain().await;
    assert_eq!(log.take()[1], "Cancelled");
    let guard = enter().await;
    let panic = catch_unwind(AssertUnwindSafe(move || {
        let _quiet = quiet();
        let _guard = guard;
        panic_any("while it is held");
    }));
    assert!(panic.is_err());
    background::drain().await;
    assert_eq!(log.take()[1], "Cancelled");
}

#[tokio::test]
async fn in_block_style() {
    let log = Log::new();
    let ok = contextlib::async_with!(
        one = context(log.clone()),
        async || -> Result<u8, BodyError> { Ok(*one) }
    )
    .await;
    assert_eq!(
        (ok, log.take().pop()),
        (Ok(1), Some("Completed".to_owned()))
    );
    let error = contextlib::async_with!(
        _ = context(log.clone()),
        async || -> Result<(), BodyError> { Err(BodyError::Own("error")) }
    )
    .await;
    assert_eq!(error, Err(BodyError::Own("error")));
    assert_eq!(log.take()[1], "Failed(Own(\"error\"))");
}

/// The view of the error as a type.
#[tokio::test]
async fn with_an_error_that_is_shared() {
    #[derive(Debug, Clone)]
    struct Shared(#[expect(dead_code, reason = "printed")] Arc<str>);
    impl From<ContextError> for Shared {
        fn from(_: ContextError) -> Self {
            unreachable!()
        }
    }
    #[async_context]
    async fn keeps(log: Log) -> Result<(), ContextError> {
        let exit = yield_resource!();
        // Cloned out of the view, it may go anywhere.
        let shared = exit
            .error()
            .and_then(|error| error.downcast_ref::<Shared>().cloned());
        let kept = tokio::spawn(async move { format!("{shared:?}") })
            .await
            .unwrap();
        log.say(kept);
    }
    let log = Log::new();
    let result = keeps(log.clone())
        .with(async |()| -> Result<(), Shared> { Err(Shared("why".into())) })
        .await;
    assert!(result.is_err());
    assert_eq!(log.lines(), ["Some(Shared(\"why\"))"]);
}
