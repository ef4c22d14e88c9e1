//! A guard that is handed over to another task waits, wherever that leaves it, for what its own task has entered after it.

use crate::shared::{Broken, Inner, Log, inner_of_a_task, quick, slow};
use contextlib::{
    BoxGuard, async_context,
    background::{drain, lane},
    null_context, yield_resource,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

type Outer = BoxGuard<'static, (), Broken>;

/// A task enters both, drops the inner one, and hands over the outer one.
async fn handed_over(log: &Log) -> Outer {
    let log = log.clone();
    let task = tokio::spawn(async move {
        let outer = quick(log.clone(), "outer").boxed().enter().await.unwrap();
        drop(slow(log, "inner").enter().await.unwrap());
        outer
    });
    task.await.unwrap()
}

#[derive(Clone, Copy, Debug)]
enum End {
    Dropped,
    Exited,
}

impl End {
    async fn of(self, outer: Outer) -> Result<(), Broken> {
        match self {
            End::Dropped => drop(outer),
            End::Exited => outer.exit().await?,
        }
        Ok(())
    }
}

/// Its teardown ends what it gets.
#[async_context]
async fn ends(things: oneshot::Receiver<Outer>, end: End) -> Result<(), Broken> {
    let _ = yield_resource!();
    end.of(things.await.unwrap()).await?;
}

async fn in_order(place: &str, run: impl AsyncFn(Log, End)) {
    for end in [End::Dropped, End::Exited] {
        let log = Log::default();
        run(log.clone(), end).await;
        drain().await;
        let told = match end {
            End::Dropped => "Cancelled",
            End::Exited => "Completed",
        };
        let expected = format!("+outer, +inner, -inner, -outer {told}");
        assert_eq!(log.said(), expected, "{end:?} in {place}");
    }
}

#[tokio::test]
async fn in_another_task() {
    in_order("a task", async |log, end| {
        end.of(handed_over(&log).await).await.unwrap();
    })
    .await;
    in_order("a lane", async |log, end| {
        let outer = handed_over(&log).await;
        lane(end.of(outer)).await.unwrap();
    })
    .await;
    in_order("a body", async |log, end| {
        let outer = handed_over(&log).await;
        let ended = null_context(()).run(async |()| end.of(outer).await).await;
        ended.unwrap();
    })
    .await;
}

#[tokio::test]
async fn in_a_teardown() {
    in_order("a guard's exit", async |log, end| {
        let (give, things) = oneshot::channel();
        let ending = ends(things, end).enter().await.unwrap();
        assert!(give.send(handed_over(&log).await).is_ok());
        ending.exit().await.unwrap();
    })
    .await;
    in_order("a teardown", async |log, end| {
        let (give, things) = oneshot::channel();
        let body = async |_: &mut ()| {
            assert!(give.send(handed_over(&log).await).is_ok());
            Ok::<_, Broken>(())
        };
        ends(things, end).with(body).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn in_a_rollback() {
    in_order("the rollback of a guard", async |log, end| {
        let (give, things) = oneshot::channel();
        let ending = ends(things, end).enter().await.unwrap();
        assert!(give.send(handed_over(&log).await).is_ok());
        drop(ending);
    })
    .await;
    in_order("a rollback that has begun", async |log, end| {
        let (give, things) = oneshot::channel();
        drop(ends(things, end).enter().await.unwrap());
        tokio::task::yield_now().await;
        assert!(give.send(handed_over(&log).await).is_ok());
    })
    .await;
    in_order("a teardown inside a rollback", async |log, end| {
        let (give, things) = oneshot::channel();
        #[async_context]
        async fn around(things: oneshot::Receiver<Outer>, end: End) -> Result<(), Broken> {
            let inside = ends(things, end).enter().await?;
            let _ = yield_resource!();
            inside.exit().await?;
        }
        let around = around(things, end).enter().await.unwrap();
        assert!(give.send(handed_over(&log).await).is_ok());
        drop(around);
    })
    .await;
}

/// However many lanes there are between where it was dropped and where it is waited for.
#[tokio::test]
async fn through_many_lanes() {
    fn dropped_inside(depth: u32, guard: Inner) -> BoxFuture<'static, ()> {
        match depth {
            0 => async { drop(guard) }.boxed(),
            _ => lane(dropped_inside(depth - 1, guard)).boxed(),
        }
    }

    for lanes in [1, 255, 256, 1_000] {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        dropped_inside(lanes, inner_of_a_task(&log).await).await;
        outer.exit().await.unwrap();
        assert_eq!(
            log.said(),
            "+outer, +inner, -inner, -outer Completed",
            "{lanes}"
        );
    }
}
