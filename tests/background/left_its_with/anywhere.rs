//! Wherever they are dropped.

use super::{DROPPED, Kept, OPENED, drop_them, enter, inner, open, outer};
use crate::shared::{Broken, Log, quick};
use contextlib::{
    async_context,
    background::{drain, lane},
    null_context, yield_resource,
};
use std::{future::pending, time::Duration};
use tokio::{task::yield_now, time::timeout};

/// Opened one after the other, by one task or in one lane of it: however that was, and wherever they are dropped, the inner one is over before the outer one begins.
async fn all_ways() {
    for first in OPENED {
        for second in OPENED {
            for dropped in DROPPED {
                for outer_first in [false, true] {
                    let log = Log::default();
                    let outer = open(first, outer(&log)).await;
                    let inner = open(second, inner(&log)).await;
                    let kept = match outer_first {
                        true => (outer, inner),
                        false => (inner, outer),
                    };
                    drop_them(dropped, kept).await;
                    drain().await;
                    assert_eq!(
                        log.said(),
                        "+outer, +inner, -inner, -outer Cancelled",
                        "{first:?}, {second:?}, {dropped:?}, outer first: {outer_first}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn in_the_root_future() {
    all_ways().await;
}

#[tokio::test]
async fn in_a_task() {
    tokio::spawn(all_ways()).await.unwrap();
}

#[tokio::test]
async fn in_a_lane() {
    lane(all_ways()).await;
}

#[tokio::test]
async fn in_a_body() {
    null_context(()).run(async |_| all_ways().await).await;
}

#[tokio::test]
async fn in_a_setup() {
    #[async_context]
    async fn in_there() -> Result<(), Broken> {
        all_ways().await;
        let _ = yield_resource!();
        all_ways().await;
    }
    let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
    in_there().with(body).await.unwrap();
    in_there().enter().await.unwrap().exit().await.unwrap();
    drop(in_there().enter().await.unwrap());
    drain().await;
}

/// An outer one that is awaited waits for it, too.
#[tokio::test]
async fn before_an_exit() {
    for opened in OPENED {
        for dropped in DROPPED {
            let log = Log::default();
            let outer = null_context(())
                .run(async |_| enter(outer(&log)).await)
                .await;
            let inner = open(opened, inner(&log)).await;
            drop_them(dropped, (inner, Box::new(()))).await;
            outer.exit().await.unwrap();
            assert_eq!(
                log.said(),
                "+outer, +inner, -inner, -outer Completed",
                "{opened:?}, {dropped:?}"
            );
        }
    }
}

/// The inner one is dropped here, and then the outer one by another task; or the other way round.
#[tokio::test]
async fn one_here_and_one_elsewhere() {
    for first in OPENED {
        for second in OPENED {
            for inner_here in [true, false] {
                let log = Log::default();
                let outer = open(first, outer(&log)).await;
                let inner = open(second, inner(&log)).await;
                let in_a_task =
                    async |kept| tokio::spawn(async { drop::<Kept>(kept) }).await.unwrap();
                if inner_here {
                    drop(inner);
                    in_a_task(outer).await;
                } else {
                    in_a_task(inner).await;
                    drop(outer);
                }
                drain().await;
                assert_eq!(
                    log.said(),
                    "+outer, +inner, -inner, -outer Cancelled",
                    "{first:?}, {second:?}, inner here: {inner_here}"
                );
            }
        }
    }
}

/// The body of a `with` hands it over to another task. What is around that waits: the `with`, awaited or in the background, and a guard around a lane that is over.
#[tokio::test(start_paused = true)]
async fn handed_over_out_of_a_body_or_a_lane() {
    for opened in OPENED {
        let log = &Log::default();
        let hand_over = async || {
            let inner = open(opened, inner(log)).await;
            tokio::spawn(async { drop(inner) }).await.unwrap();
        };
        let said = |from: usize| log.lines()[from..].join(", ");
        let outer = || quick(log.clone(), "outer");

        let body = async |_: &mut ()| -> Result<(), Broken> {
            hand_over().await;
            Ok(())
        };
        outer().with(body).await.unwrap();
        assert_eq!(
            said(0),
            "+outer, +inner, -inner, -outer Completed",
            "{opened:?}"
        );

        let body = async |_: &mut ()| -> Result<(), Broken> {
            hand_over().await;
            pending().await
        };
        let limit = Duration::from_millis(1);
        assert!(timeout(limit, outer().with(body)).await.is_err());
        drain().await;
        assert_eq!(
            said(4),
            "+outer, +inner, -inner, -outer Cancelled",
            "{opened:?}"
        );

        let guard = outer().enter().await.unwrap();
        lane(hand_over()).await;
        guard.exit().await.unwrap();
        assert_eq!(
            said(8),
            "+outer, +inner, -inner, -outer Completed",
            "{opened:?}"
        );
    }
}

/// A setup that runs on when its future, which was begun in a body, is dropped by another task.
#[tokio::test]
async fn a_setup_that_runs_on_elsewhere() {
    #[async_context(setup = finish)]
    async fn late(log: Log) -> Result<(), Broken> {
        for _ in 0..20 {
            yield_now().await;
        }
        log.say("+inner");
        let _ = yield_resource!();
        log.say("-inner");
    }
    for opened in OPENED {
        let log = Log::default();
        let late = late(log.clone());
        let outer = open(opened, outer(&log)).await;
        let mut work = Box::pin(async move {
            let outer = outer;
            let _ = null_context(()).run(async |_| late.enter().await).await;
            drop(outer);
        });
        let begin = async |_: &mut ()| assert!(futures::poll!(work.as_mut()).is_pending());
        null_context(()).run(begin).await;
        tokio::spawn(async { drop(work) }).await.unwrap();
        drain().await;
        assert_eq!(
            log.said(),
            "+outer, +inner, -inner, -outer Cancelled",
            "{opened:?}"
        );
    }
}
