//! What doesn't wait for each other.

use super::{Dropped, OPENED, Opened, Opening, are_apart, drop_them, giving_and_needing, open};
use crate::shared::{Log, gated, giving_back, slow};
use contextlib::{
    IntoContextManager,
    background::{self, lane},
    null_context,
};
use futures::join;
use std::{sync::Arc, thread};
use tokio::{sync::Semaphore, task::yield_now};

/// Those of two tasks have nothing to do with each other, whoever drops them.
#[tokio::test(start_paused = true)]
async fn two_tasks_are_apart() {
    for opened in OPENED {
        for dropped in [
            Dropped::Here,
            Dropped::InATask,
            Dropped::InAWith,
            Dropped::OnAThread,
        ] {
            let log = Log::default();
            let (giving, needing) = giving_and_needing(&log);
            let giving = tokio::spawn(open(opened, giving)).await.unwrap();
            let needing = tokio::spawn(open(opened, needing)).await.unwrap();
            drop_them(dropped, (needing, giving)).await;
            are_apart(&log).await;
        }
    }
}

/// Opens something, and drops it when the other one has been opened, too.
async fn open_and_drop(opened: Opened, context: Opening) {
    let kept = open(opened, context).await;
    yield_now().await;
    drop(kept);
}

/// Nor have those of two lanes of one task, nor of two bodies that run side by side.
#[tokio::test(start_paused = true)]
async fn two_branches_are_apart() {
    for opened in OPENED {
        let log = Log::default();
        let (giving, needing) = giving_and_needing(&log);
        join!(
            lane(open_and_drop(opened, giving)),
            lane(open_and_drop(opened, needing)),
        );
        are_apart(&log).await;

        let log = Log::default();
        let (giving, needing) = giving_and_needing(&log);
        join!(
            null_context(()).run(async |_| open_and_drop(opened, giving).await),
            null_context(()).run(async |_| open_and_drop(opened, needing).await),
        );
        are_apart(&log).await;
    }
}

/// A tuple's rollback doesn't wait for what the task has entered since, which may need what it gives back.
#[tokio::test(start_paused = true)]
async fn what_is_entered_after_a_tuple_is_apart() {
    for opened in OPENED {
        let log = Log::default();
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.clone().try_acquire_owned().unwrap();
        let tuple = (giving_back(log.clone(), permit), slow(log.clone(), "inner"));
        drop(tuple.enter().await.unwrap());
        let needing = gated(log.clone(), "needing", permits);
        let needing = open(opened, needing.boxed()).await;
        thread::spawn(|| drop(needing)).join().unwrap();
        are_apart(&log).await;
    }
}

/// What is dropped in a body inside the one where it was entered doesn't wait for what is beside that one, which may need what it gives back.
#[tokio::test(start_paused = true)]
async fn what_is_beside_its_body_is_apart() {
    for opened in OPENED {
        let log = Log::default();
        let (giving, needing) = giving_and_needing(&log);
        let beside = async {
            yield_now().await;
            drop(open(opened, needing).await);
        };
        let body = async |_: &mut ()| {
            let giving = open(opened, giving).await;
            while background::pending() == 0 {
                yield_now().await;
            }
            null_context(()).run(async |_| drop(giving)).await;
        };
        let both = async |_: &mut ()| join!(null_context(()).run(body), beside);
        null_context(()).run(both).await;
        are_apart(&log).await;
    }
}
