//! A destructor that panics while a context is dropped keeps nothing from its order: what it has left is still before what is around it.

use crate::shared::{Broken, Log, poll_once, quick, slow};
use contextlib::{
    BoxContextManager, async_context,
    background::{drain, lane},
    yield_resource,
};
use contextlib_tests::{message, quiet, quietly};
use futures::FutureExt;
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor");
    }
}

async fn cut_inside(log: &Log) {
    let inner = slow(log.clone(), "inner");
    let body = async |_: &mut ()| -> Result<(), Broken> { pending().await };
    inner.with(body).await.unwrap();
}

/// Is dropped in its setup.
#[async_context]
async fn sets_up(log: Log) -> Result<(), Broken> {
    let _bomb = Bomb;
    cut_inside(&log).await;
    let _ = yield_resource!();
}

/// Is dropped around its body, and holds a bomb.
#[async_context(on_cancel = drop)]
async fn holds() -> Result<(), Broken> {
    let _bomb = Bomb;
    let _ = yield_resource!();
}

async fn drop_in_its_body(log: Log) {
    let with = holds().with(async |_| -> Result<(), Broken> {
        cut_inside(&log).await;
        Ok(())
    });
    drop_pending(with).await;
}

async fn drop_pending(future: impl Future) {
    let mut future = Box::pin(future);
    assert!(futures::poll!(future.as_mut()).is_pending());
    let dropped = quietly(|| catch_unwind(AssertUnwindSafe(|| drop(future))));
    assert!(dropped.is_err());
}

#[tokio::test]
async fn of_a_setup() {
    let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
    for style in 0..3 {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        let context: BoxContextManager<'static, (), Broken> = sets_up(log.clone()).boxed();
        match style {
            0 => drop_pending(sets_up(log.clone()).with(body)).await,
            1 => drop_pending(sets_up(log.clone()).enter()).await,
            _ => drop_pending(context.with(body)).await,
        }
        outer.exit().await.unwrap();
        drain().await;
        assert_eq!(
            log.said(),
            "+outer, +inner, -inner, -outer Completed",
            "{style}"
        );
    }
}

#[tokio::test]
async fn of_a_context_that_is_dropped() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    drop_in_its_body(log.clone()).await;
    outer.exit().await.unwrap();
    drain().await;
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
}

/// The same while the thread panics already, for another reason.
#[tokio::test]
async fn while_the_task_panics() {
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    {
        let _quiet = quiet();
        let mut with = Box::pin(sets_up(log.clone()).enter());
        assert!(futures::poll!(with.as_mut()).is_pending());
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _with = with;
            panic!("the task");
        }));
        assert!(unwound.is_err());
    }
    assert!(poll_once(drain()).await.is_none());
    outer.exit().await.unwrap();
    drain().await;
    assert_eq!(log.said(), "+outer, +inner, -inner, -outer Completed");
}

/// A lane's future that panics when it is dropped at its end, and what it has come to, too: no panic while another one unwinds.
#[tokio::test]
async fn of_a_lane_that_is_over() {
    struct Over;
    impl Future for Over {
        type Output = Bomb;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Bomb> {
            Poll::Ready(Bomb)
        }
    }
    impl Drop for Over {
        fn drop(&mut self) {
            panic!("the future's destructor");
        }
    }
    let _quiet = quiet();
    let Err(payload) = AssertUnwindSafe(lane(Over)).catch_unwind().await else {
        panic!("it panics");
    };
    assert_eq!(message(&*payload), "the future's destructor");
}
