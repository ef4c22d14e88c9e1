//! From one to very many: levels, entries, contexts at the same time, cancellations.

use crate::{
    contexts::{dropping, spawning},
    harness::{On, Row, Turn},
    work::{Broken, READY, Work, suspend, suspend_times},
};
use contextlib::{ExitStack, async_context, background, yield_resource};
use std::{future::pending, hint::black_box};
use tokio::task::JoinSet;

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Series {
    /// Entering and exiting, a level.
    Nesting,
    /// The same by hand.
    NestingByHand,
    /// A wake-up of the innermost body, a level.
    Waking,
    /// The same by hand.
    WakingByHand,
    /// Entering and exiting an entry of an exit stack.
    StackEntry,
    /// The same in a list of guards.
    Guard,
    /// A callback of an exit stack.
    Callback,
    /// An entry of a stack that is dropped un-exited.
    StackDropped,
    /// Tasks at the same time, each in a context.
    Concurrent,
    /// The same by hand.
    ConcurrentByHand,
    /// Tasks in a context that are aborted all at once.
    Cancelled,
    /// The same by hand.
    CancelledByHand,
}

/// A point of a series.
#[derive(Clone, Copy)]
pub struct Point {
    /// Which series.
    pub series: Series,
    /// How many.
    pub size: u32,
    /// What is run, with as many parts.
    pub row: Row,
}

/// A turn's future for one level.
type Level = Turn<Result<u64, Broken>>;

/// So deep, and in the innermost body so many wake-ups.
fn nested(depth: u32, wakes: u32) -> Level {
    Box::pin(async move {
        if depth == 0 {
            suspend_times(wakes).await;
            return Ok(1);
        }
        let end = dropping(READY).with(async move |number| -> Result<u64, Broken> {
            *number += 1;
            nested(depth - 1, wakes).await
        });
        end.await
    })
}

fn nested_by_hand(depth: u32, wakes: u32) -> Level {
    Box::pin(async move {
        if depth == 0 {
            suspend_times(wakes).await;
            return Ok(1);
        }
        let mut number = READY.acquire().await?;
        number += 1;
        let end = nested_by_hand(depth - 1, wakes).await;
        let released = READY.release(number).await;
        let value = end?;
        released?;
        Ok(value)
    })
}

/// Wake-ups, beside which entering is next to nothing.
const WAKES: u32 = 100;

#[async_context]
async fn entry() -> u64 {
    let mut number = black_box(1);
    let _ = yield_resource!(number);
    black_box(number);
}

async fn filled(size: u32) -> ExitStack<'static, Broken> {
    let stack = ExitStack::new();
    for _ in 0..size {
        if let Ok(number) = stack.enter(entry()).await {
            *number += 1;
        }
    }
    stack
}

async fn exited(size: u32) {
    let _ = filled(size).await.exit().await;
}

async fn dropped(size: u32) {
    drop(filled(size).await);
    background::drain().await;
}

async fn guards(size: u32) {
    let mut guards = Vec::new();
    for _ in 0..size {
        let Ok(mut guard) = entry().enter().await;
        *guard += 1;
        guards.push(guard);
    }
    while let Some(guard) = guards.pop() {
        let _ = guard.exit().await;
    }
}

async fn callbacks(size: u32) {
    let stack = ExitStack::<Broken>::new();
    for at in 0..size {
        stack.callback(move || {
            black_box(at);
        });
    }
    let _ = stack.exit().await;
}

/// All of them are open before the first is exited.
async fn concurrent(size: u32) {
    let mut tasks = JoinSet::new();
    for _ in 0..size {
        tasks.spawn(spawning(READY).with(async |number| -> Result<u64, Broken> {
            suspend().await;
            Ok(*number)
        }));
    }
    while tasks.join_next().await.is_some() {}
}

async fn concurrent_by_hand(size: u32) {
    let mut tasks = JoinSet::new();
    for _ in 0..size {
        tasks.spawn(async {
            let number = READY.acquire().await?;
            suspend().await;
            READY.release(number).await?;
            Ok::<u64, Broken>(number)
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// All of them are in their body, then all are aborted, then all are rolled back.
async fn cancelled(size: u32) {
    let mut tasks = JoinSet::new();
    for _ in 0..size {
        tasks.spawn(spawning(READY).with(async |_| -> Result<u64, Broken> { pending().await }));
    }
    tokio::task::yield_now().await;
    tasks.shutdown().await;
    background::drain().await;
}

/// Releases in a task of its own.
struct Releasing(u64);

impl Drop for Releasing {
    fn drop(&mut self) {
        let number = self.0;
        tokio::spawn(async move { READY.release(number).await });
    }
}

async fn cancelled_by_hand(size: u32) {
    let mut tasks = JoinSet::new();
    for _ in 0..size {
        tasks.spawn(async {
            let _number = Releasing(READY.acquire().await?);
            pending::<Result<u64, Broken>>().await
        });
    }
    tokio::task::yield_now().await;
    tasks.shutdown().await;
    // Nothing can wait for those tasks; they run before this one goes on.
    tokio::task::yield_now().await;
}

macro_rules! points {
    ($points:ident; $($series:ident($call:expr): $($size:literal)*;)*) => {
        $($($points.push(Point {
            series: Series::$series,
            size: $size,
            row: Row {
                name: concat!(stringify!($series), " ", $size),
                beside: concat!(stringify!($series), " ", $size),
                run: |times| {
                    Box::pin(async move {
                        for _ in 0..times {
                            let _ = black_box($call($size).await);
                        }
                    })
                },
                on: On::CurrentThread,
                parts: $size,
            },
        });)*)*
    };
}

/// What a wake-up costs is the difference of this many.
pub const WAKE_UPS: u32 = WAKES;

/// All points.
pub fn points() -> Vec<Point> {
    let mut points = Vec::new();
    points! { points;
        Nesting(|size| nested(size, 0)): 1 10 100 1_000;
        NestingByHand(|size| nested_by_hand(size, 0)): 1 10 100 1_000;
        Waking(|size| nested(size, WAKES)): 1 10 100 1_000;
        WakingByHand(|size| nested_by_hand(size, WAKES)): 1 10 100 1_000;
        StackEntry(exited): 1 10 100 1_000 10_000 100_000;
        Guard(guards): 1 10 100 1_000 10_000 100_000;
        Callback(callbacks): 1 10 100 1_000 10_000 100_000;
        StackDropped(dropped): 1 10 100 1_000 10_000 100_000;
        Concurrent(concurrent): 1 10 100 1_000 10_000 100_000;
        ConcurrentByHand(concurrent_by_hand): 1 10 100 1_000 10_000 100_000;
        Cancelled(cancelled): 1 10 100 1_000 10_000;
        CancelledByHand(cancelled_by_hand): 1 10 100 1_000 10_000;
    }
    points
}

/// Their rows.
pub fn rows() -> Vec<Row> {
    points().into_iter().map(|point| point.row).collect()
}
