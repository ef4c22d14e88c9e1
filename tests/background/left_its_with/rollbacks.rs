//! In teardowns, and what becomes of these when their caller is gone.

use super::{DROPPED, Dropped, OPENED, Opened, drop_them, enter, inner, late, open, outer};
use crate::shared::{Broken, Inner, Log, closed, gated, poll_once, quick, settle};
use contextlib::{
    AsyncContext, IntoContextManager, Rollback, async_context,
    background::{drain, lane},
    null_context,
    policy::{Boxed, Policy},
    yield_resource,
};
use futures::FutureExt;
use std::{future::pending, sync::Arc, thread};
use tokio::{
    sync::{Semaphore, oneshot},
    task::yield_now,
};

/// A teardown, awaited or in the background, opens one and has another task drop it: what is around that context, be it only another part of a tuple, waits for it.
#[tokio::test]
async fn handed_over_in_a_teardown() {
    #[async_context]
    async fn hands_over(log: Log, opened: Opened, dropped: Dropped) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, inner(&log)).await;
        drop_them(dropped, (inner, Box::new(()))).await;
        yield_now().await;
    }
    let elsewhere = [
        Dropped::Here,
        Dropped::InATask,
        Dropped::InAWith,
        Dropped::InALane,
        Dropped::OnAThread,
        Dropped::WithATask,
    ];
    for opened in OPENED {
        for dropped in elsewhere {
            for around in 0..7 {
                let log = Log::default();
                let quick = quick(log.clone(), "outer");
                let handing = hands_over(log.clone(), opened, dropped);
                let well = async |_: &mut _| -> Result<(), Broken> { Ok(()) };
                let cut = async |_: &mut _| -> Result<(), Broken> { pending().await };
                match around {
                    0 => (quick, handing).with(well).await.unwrap(),
                    1 => assert!(poll_once((quick, handing).with(cut)).await.is_none()),
                    6 => assert!(poll_once((quick, handing).with(well)).await.is_none()),
                    2 => drop((quick, handing).enter().await.unwrap()),
                    3 => {
                        let guard = quick.enter().await.unwrap();
                        drop(handing.enter().await.unwrap());
                        guard.exit().await.unwrap();
                    }
                    4 => {
                        let body = async |_: &mut ()| -> Result<(), Broken> {
                            drop(handing.enter().await?);
                            Ok(())
                        };
                        quick.with(body).await.unwrap();
                    }
                    _ => {
                        let body = async |_: &mut ()| -> Result<(), Broken> {
                            handing.with(async |_| pending().await).await
                        };
                        assert!(poll_once(quick.with(body)).await.is_none());
                    }
                }
                drain().await;
                let said = log.said();
                let in_order = said.starts_with("+outer, +inner, -inner, -outer ");
                assert!(in_order, "{opened:?}, {dropped:?}, {around}: {said}");
            }
        }
    }
}

/// A setup that runs on in the background does so: its own teardown waits for it.
#[tokio::test]
async fn handed_over_in_a_setup_that_runs_on() {
    #[async_context(setup = finish)]
    async fn hands_over(log: Log, opened: Opened, dropped: Dropped) -> Result<(), Broken> {
        yield_now().await;
        let inner = open(opened, inner(&log)).await;
        drop_them(dropped, (inner, Box::new(()))).await;
        let _ = yield_resource!();
        log.say("-outer");
    }
    for opened in OPENED {
        for dropped in DROPPED {
            let log = Log::default();
            let handing = hands_over(log.clone(), opened, dropped);
            assert!(poll_once(handing.enter()).await.is_none());
            drain().await;
            let handing = hands_over(log.clone(), opened, dropped);
            let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
            assert!(poll_once(handing.with(body)).await.is_none());
            drain().await;
            assert_eq!(
                log.said(),
                "+inner, -inner, -outer, +inner, -inner, -outer",
                "{opened:?}, {dropped:?}"
            );
        }
    }
}

/// A rollback that is dropped before its end has done so: what is around it waits, in its place.
#[tokio::test]
async fn handed_over_in_a_rollback_that_is_lost() {
    enum LostLater {}

    impl<C> Policy<C> for LostLater
    where
        C: AsyncContext<Resource: Send> + Send + 'static,
    {
        type Storage = Boxed<C>;
        type Origin = ();

        fn origin() {}

        fn rollback(rollback: Rollback<C>, (): ()) {
            let begun = poll_once(rollback).now_or_never();
            assert_eq!(begun, Some(None));
        }
    }

    #[async_context(on_cancel = LostLater)]
    async fn hands_over(log: Log, opened: Opened) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, inner(&log)).await;
        thread::spawn(|| drop(inner)).join().unwrap();
        pending::<()>().await;
    }

    for opened in OPENED {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        drop(hands_over(log.clone(), opened).enter().await.unwrap());
        outer.exit().await.unwrap();
        let body = async |_: &mut ()| -> Result<(), Broken> {
            let body = async |_: &mut ()| -> Result<(), Broken> { pending().await };
            let cut = poll_once(hands_over(log.clone(), opened).with(body));
            assert!(cut.await.is_none());
            Ok(())
        };
        quick(log.clone(), "outer").with(body).await.unwrap();
        let said = "+outer, +inner, -inner, -outer Completed";
        assert_eq!(log.said(), format!("{said}, {said}"), "{opened:?}");
    }
}

/// What is exited in a rollback waits for what is inside an earlier one that is still running, though not for that one.
#[tokio::test]
async fn handed_over_in_an_earlier_rollback() {
    #[async_context]
    async fn exits(things: oneshot::Receiver<Inner>) -> Result<(), Broken> {
        let _ = yield_resource!();
        things.await.unwrap().exit().await?;
    }

    #[async_context]
    async fn hands_over(
        log: Log,
        opened: Opened,
        inner: Arc<Semaphore>,
        end: Arc<Semaphore>,
    ) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, gated(log.clone(), "inner", inner).boxed()).await;
        thread::spawn(|| drop(inner)).join().unwrap();
        end.acquire().await.unwrap().forget();
    }
    for opened in OPENED {
        let log = Log::default();
        let (inner_may_end, it_may_end) = (closed(), closed());
        let outer = enter(outer(&log)).await;
        let earlier = hands_over(
            log.clone(),
            opened,
            inner_may_end.clone(),
            it_may_end.clone(),
        );
        let earlier = earlier.enter().await.unwrap();
        let (give, things) = oneshot::channel();
        let later = exits(things).enter().await.unwrap();
        drop(earlier);
        settle().await;
        assert_eq!(log.said(), "+outer, +inner, ~inner", "{opened:?}");

        assert!(give.send(outer).is_ok());
        drop(later);
        settle().await;
        assert_eq!(log.said(), "+outer, +inner, ~inner", "{opened:?}");
        inner_may_end.add_permits(1);
        settle().await;
        assert_eq!(
            log.said(),
            "+outer, +inner, ~inner, -inner, -outer Completed",
            "{opened:?}"
        );
        it_may_end.add_permits(1);
        drain().await;
    }
}

/// A teardown that enters the outer one goes on in a rollback from there: opens the inner one, hands that over, and drops the outer one here or in a body.
#[tokio::test]
async fn entered_in_a_teardown_that_became_a_rollback() {
    #[async_context]
    async fn enters_both(log: Log, opened: (Opened, Opened), deep: bool) -> Result<(), Broken> {
        let _ = yield_resource!();
        let outer = open(opened.0, late(log.clone(), "outer", 0).boxed()).await;
        let inner = open(opened.1, inner(&log)).await;
        match deep {
            // Here it is pending in this rollback itself.
            true => drop(inner),
            false => thread::spawn(|| drop(inner)).join().unwrap(),
        }
        match deep {
            true => null_context(()).run(async |_| drop(outer)).await,
            false => drop(outer),
        }
    }
    for first in OPENED {
        for second in OPENED {
            for deep in [false, true] {
                let log = Log::default();
                let context = enters_both(log.clone(), (first, second), deep);
                let guard = context.enter().await.unwrap();
                assert!(poll_once(guard.exit()).await.is_none());
                drain().await;
                assert_eq!(
                    log.said(),
                    "+outer, +inner, -inner, -outer Cancelled",
                    "{first:?}, {second:?}, deep: {deep}"
                );
            }
        }
    }
}

/// A `with` that a teardown has begun goes on in the rollback that this became: it waits for what its body hands over there.
#[tokio::test]
async fn handed_over_in_a_with_that_a_rollback_goes_on_with() {
    #[async_context]
    async fn goes_on(log: Log, opened: Opened, style: u8) -> Result<(), Broken> {
        let _ = yield_resource!();
        let around = quick(log.clone(), "outer");
        let body = async || {
            yield_now().await;
            let inner = open(opened, inner(&log)).await;
            thread::spawn(|| drop(inner)).join().unwrap();
            Ok::<_, Broken>(())
        };
        match style {
            0 => around.with(async |_| body().await).await?,
            1 => {
                let both = (around, null_context(()));
                both.with(async |_| body().await).await?;
            }
            2 => {
                let inside = async |_: &mut ()| around.with(async |_| body().await).await;
                null_context(()).with(inside).await?;
            }
            _ => {
                let inside = async |_: &mut ()| {
                    let guard = around.enter().await?;
                    body().await?;
                    guard.exit().await
                };
                null_context(()).with(inside).await?;
            }
        }
    }
    for opened in OPENED {
        for style in 0..4 {
            let log = Log::default();
            let context = goes_on(log.clone(), opened, style);
            let guard = context.enter().await.unwrap();
            assert!(poll_once(guard.exit()).await.is_none());
            drain().await;
            assert_eq!(
                log.said(),
                "+outer, +inner, -inner, -outer Completed",
                "{opened:?}, {style}"
            );
        }
    }
}

/// A teardown in a lane that is over enters the inner one, and hands it over in its rollback: what is around the lane waits for it.
#[tokio::test]
async fn handed_over_after_its_lane_is_over() {
    #[async_context]
    async fn enters(log: Log, opened: Opened) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, late(log.clone(), "inner", 20).boxed()).await;
        thread::spawn(|| drop(inner)).join().unwrap();
    }
    for opened in OPENED {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
        let with = enters(log.clone(), opened).with(body);
        assert!(poll_once(lane(with)).await.is_none());
        outer.exit().await.unwrap();
        assert_eq!(
            log.said(),
            "+outer, +inner, -inner Cancelled, -outer Completed",
            "{opened:?}"
        );
    }
}
