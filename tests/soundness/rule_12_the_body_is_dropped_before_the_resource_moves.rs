//! A hand-written body future that keeps the `&mut` when it is over, and uses it in its destructor.

use contextlib::{async_context, background, yield_resource};
use contextlib_tests::{BodyError, Census, ContextError, Log, message, poll_once, quiet};
use futures::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

#[async_context]
async fn context(log: Log) -> Result<String, ContextError> {
    let mut resource = String::from("lent");
    let exit = yield_resource!(resource);
    log.say(format!("{:?}, {resource}", exit.kind()));
    Ok(())
}

#[derive(Clone, Copy)]
enum Ends {
    Well,
    Badly,
    ByPanic,
    Never,
}

struct Keeps<'r>(&'r mut String, Ends);
impl Future for Keeps<'_> {
    type Output = Result<(), BodyError>;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.1 {
            Ends::Well => Poll::Ready(Ok(())),
            Ends::Badly => Poll::Ready(Err(BodyError::Own("bad"))),
            Ends::ByPanic => panic!("body"),
            Ends::Never => Poll::Pending,
        }
    }
}
impl Drop for Keeps<'_> {
    fn drop(&mut self) {
        self.0.push_str(&", and used when dropped".repeat(2));
    }
}

fn well(resource: &mut String) -> Keeps<'_> {
    Keeps(resource, Ends::Well)
}
fn badly(resource: &mut String) -> Keeps<'_> {
    Keeps(resource, Ends::Badly)
}
fn by_panic(resource: &mut String) -> Keeps<'_> {
    Keeps(resource, Ends::ByPanic)
}
fn never(resource: &mut String) -> Keeps<'_> {
    Keeps(resource, Ends::Never)
}

const USED: &str = "lent, and used when dropped, and used when dropped";

#[tokio::test]
async fn whatever_it_comes_to() {
    let _quiet = contextlib_tests::quiet();
    let log = Log::new();
    context(log.clone()).with(well).await.unwrap();
    context(log.clone()).with(badly).await.unwrap_err();
    tokio::spawn(context(log.clone()).with(by_panic))
        .await
        .unwrap_err();
    let mut with = Box::pin(context(log.clone()).with(never));
    assert!(poll_once(with.as_mut()).is_pending());
    drop(with);
    background::drain().await;
    let expected =
        ["Completed", "Failed", "Panicked", "Cancelled"].map(|exit| format!("{exit}, {USED}"));
    assert_eq!(log.lines(), expected);
}

/// A closure that panics before there is a future: what it has captured is dropped by that, and by nobody else.
#[tokio::test]
async fn a_closure_that_makes_no_future() {
    let _quiet = quiet();
    let (log, census) = (Log::new(), Census::new());
    let captured = census.value("captured");
    let with = context(log.clone()).with(move |resource: &mut String| -> Keeps<'_> {
        captured.touch();
        panic!("no future for {resource}");
    });
    let Err(payload) = AssertUnwindSafe(with).catch_unwind().await else {
        panic!("it panics");
    };
    assert_eq!(message(&*payload), "no future for lent");
    assert_eq!(log.lines(), ["Panicked, lent"]);
    census.assert_balanced("a closure that makes no future");
}
