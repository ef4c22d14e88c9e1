//! Work that goes on though its caller is gone.

use crate::shared::{Log, poll_once, quick};
use contextlib::{
    background::{drain, pending, shield},
    set_runtime_report_hook,
};
use contextlib_tests::quiet;
use futures::FutureExt;
use std::{future::pending as forever, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, Semaphore},
    task::yield_now,
    time::timeout,
};

#[tokio::test]
async fn what_is_awaited_comes_back() {
    let number = shield(async {
        yield_now().await;
        7
    });
    assert_eq!(number.await, 7);
    assert_eq!(pending(), 0);
}

#[tokio::test]
async fn a_context_around_it_waits_for_it() {
    let log = Log::default();
    let gate = Arc::new(Semaphore::new(0));
    let (said, opened) = (log.clone(), gate.clone());
    let work = quick(log.clone(), "outer").with(async |()| {
        shield(async move {
            said.say("begins");
            opened.acquire().await.unwrap().forget();
            said.say("ends");
        })
        .await;
        Ok::<_, crate::shared::Broken>(())
    });
    assert!(timeout(Duration::from_millis(1), work).await.is_err());
    gate.add_permits(1);
    drain().await;
    assert_eq!(log.said(), "+outer, begins, ends, -outer Cancelled");
}

#[tokio::test]
async fn of_a_task_that_is_aborted() {
    let log = Log::default();
    let begun = Arc::new(Notify::new());
    let (said, begins) = (log.clone(), begun.clone());
    let task = tokio::spawn(async move {
        shield(async move {
            begins.notify_one();
            yield_now().await;
            said.say("ends");
        })
        .await;
        forever::<()>().await;
    });
    begun.notified().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drain().await;
    assert_eq!(log.said(), "ends");
}

#[tokio::test]
async fn what_is_not_polled_does_not_run() {
    let log = Log::default();
    let said = log.clone();
    drop(shield(async move { said.say("runs") }));
    drain().await;
    assert_eq!(log.said(), "");
}

#[tokio::test]
async fn a_panic_reaches_the_caller_or_is_reported() {
    let _quiet = quiet();
    let here = shield(async { panic!("here") });
    let payload = AssertUnwindSafe(here).catch_unwind().await.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"here"));

    let (say, said) = std::sync::mpsc::channel();
    let _hook = set_runtime_report_hook(move |report| {
        let _ = say.send((report.to_string(), report.entered.line()));
    });
    let line = line!() + 1;
    let later = shield(async {
        yield_now().await;
        panic!("later")
    });
    assert!(poll_once(later).await.is_none());
    drain().await;
    let (report, entered) = said.try_recv().unwrap();
    assert!(report.contains("`shield`"), "{report}");
    assert!(
        report.ends_with("panicked: later (its body: Completed)"),
        "{report}"
    );
    assert_eq!(entered, line);
}
