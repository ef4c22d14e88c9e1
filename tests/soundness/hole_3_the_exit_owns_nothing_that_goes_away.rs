//! A teardown that holds a reference to the body's error, or to its payload, while the frame goes elsewhere.

use contextlib::{Exit, async_context, background, yield_resource};
use contextlib_tests::{ContextError, Log, Reports, drop_at, quietly, yields};
use std::panic::panic_any;

#[derive(Debug, PartialEq)]
struct Heap(String);

impl From<ContextError> for Heap {
    fn from(_: ContextError) -> Self {
        Heap("the context's".to_owned())
    }
}

#[async_context]
async fn context(log: Log) -> Result<(), ContextError> {
    let exit = yield_resource!();
    let copy = exit;
    match copy {
        Exit::Failed(error) => {
            let error: &Heap = error.downcast_ref().unwrap();
            for _ in 0..3 {
                yields(1).await;
                assert!(error.0.starts_with("error"));
            }
            log.say(&error.0);
        }
        Exit::Panicked(panic) => {
            let payload: &Heap = panic.downcast_ref().unwrap();
            for _ in 0..3 {
                yields(1).await;
                assert!(payload.0.starts_with("payload"));
            }
            log.say(&payload.0);
        }
        Exit::Completed | Exit::Cancelled => log.say(format!("{exit:?}")),
    }
    yields(1).await;
    assert_eq!(exit.kind(), copy.kind());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_cancelled_with() {
    let _reports = Reports::keep();
    for polls in 0..8 {
        let log = Log::new();
        let error = "error ".repeat(10);
        let with =
            context(log.clone()).with(async |()| -> Result<(), Heap> { Err(Heap(error.clone())) });
        drop(drop_at(polls, with).await);
        background::drain().await;
        assert_eq!(
            log.lines(),
            Vec::from_iter((polls > 0).then_some(error)),
            "{polls}"
        );

        let log = Log::new();
        let payload = "payload ".repeat(10);
        let with = context(log.clone())
            .with(async |()| -> Result<(), Heap> { panic_any(Heap(payload.clone())) });
        let mut with = Box::pin(drop_at(polls, with));
        drop(std::future::poll_fn(|cx| quietly(|| with.as_mut().poll(cx))).await);
        drop(with);
        background::drain().await;
        assert_eq!(
            log.lines(),
            Vec::from_iter((polls > 0).then_some(payload)),
            "{polls}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_cancelled_exit() {
    let _reports = Reports::keep();
    for polls in 0..8 {
        let log = Log::new();
        let error = "error ".repeat(10);
        let guard = context(log.clone()).enter().await.unwrap();
        drop(drop_at(polls, guard.exit_with(Err::<(), _>(Heap(error.clone())))).await);
        background::drain().await;
        let seen = if polls == 0 {
            "Cancelled".to_owned()
        } else {
            error
        };
        assert_eq!(log.lines(), [seen], "{polls}");
    }
}

/// The error comes back as it was, and is the same value.
#[tokio::test]
async fn and_the_caller_gets_the_error_back() {
    let log = Log::new();
    let error = Heap("error".to_owned());
    let address = error.0.as_ptr();
    let back = context(log.clone())
        .with(async |()| -> Result<(), Heap> { Err(error) })
        .await
        .unwrap_err();
    assert_eq!((back.0.as_ptr(), &*back.0), (address, "error"));
}
