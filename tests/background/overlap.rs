//! What must not wait: branches, and rollbacks that are over their order.

use crate::shared::{Broken, Log, closed, gated, poll_once, settle, slow};
use contextlib::{
    AsyncContext, Guard, async_context,
    background::{drain, lane, pending},
    kind::Fallible,
    yield_resource,
};
use std::{future::pending as forever, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::yield_now,
    time::{sleep, timeout},
};

/// Holds a permit from its setup to the end of its teardown.
#[async_context]
async fn holds(log: Log, permits: Arc<Semaphore>) -> Result<(), Broken> {
    let _permit = permits.acquire_owned().await;
    let _ = yield_resource!();
    log.say("-holds");
}

/// Needs a permit in its teardown.
#[async_context]
async fn needs(log: Log, permits: Arc<Semaphore>) -> Result<(), Broken> {
    let _ = yield_resource!();
    let _permit = permits.acquire().await;
    log.say("-needs");
}

/// One branch's rollback needs what another branch holds for as long as its body runs.
#[tokio::test(start_paused = true)]
async fn branches_in_closure_style_cannot_dead_lock() {
    let log = Log::default();
    let permits = Arc::new(Semaphore::new(1));
    let failing = async {
        sleep(Duration::from_millis(2)).await;
        let with = needs(log.clone(), permits.clone()).with(async |_| -> Result<(), Broken> {
            let _inner = needs(log.clone(), permits.clone()).enter().await?;
            Err(Broken)
        });
        timeout(Duration::from_millis(5), with).await
    };
    let holding = holds(log.clone(), permits.clone()).with(async |_| -> Result<(), Broken> {
        sleep(Duration::from_millis(20)).await;
        Ok(())
    });
    let both = async { tokio::join!(failing, holding) };
    let (failed, held) = timeout(Duration::from_secs(9), both)
        .await
        .expect("a dead-lock");
    assert!(failed.is_err());
    held.unwrap();
    drain().await;
    assert_eq!(log.said(), "-holds, -needs, -needs");
}

/// The same with guards needs a lane for each branch.
#[tokio::test(start_paused = true)]
async fn branches_with_guards_cannot_dead_lock_in_lanes() {
    let log = Log::default();
    let permits = Arc::new(Semaphore::new(1));
    let holding = lane(async {
        let guard = holds(log.clone(), permits.clone()).enter().await?;
        sleep(Duration::from_millis(20)).await;
        guard.exit().await
    });
    let failing = lane(async {
        sleep(Duration::from_millis(2)).await;
        let _guard = needs(log.clone(), permits.clone()).enter().await?;
        Err::<(), Broken>(Broken)
    });
    let (held, failed) = timeout(Duration::from_secs(9), async {
        tokio::join!(holding, failing)
    })
    .await
    .expect("a dead-lock");
    assert_eq!((held, failed), (Ok(()), Err(Broken)));
    drain().await;
    assert_eq!(log.said(), "-holds, -needs");
}

/// A setup that a caller gave up needs what an earlier rollback of the same task gives back.
#[async_context(setup = finish)]
async fn acquires(log: Log, permits: Arc<Semaphore>) -> Result<(), Broken> {
    let _permit = permits.acquire_owned().await;
    log.say("+acquires");
    let exit = yield_resource!();
    log.say(format_args!("-acquires {exit:?}"));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_wait_for_what_was_entered_after_it_began() {
    let log = Log::default();
    let permits = Arc::new(Semaphore::new(1));
    let first = holds(log.clone(), permits.clone()).enter().await.unwrap();
    drop(first);
    let second = acquires(log.clone(), permits.clone()).enter();
    assert!(poll_once(second).await.is_none());
    timeout(Duration::from_secs(9), drain())
        .await
        .expect("a dead-lock");
    assert_eq!(log.said(), "-holds, +acquires, -acquires Cancelled");
}

/// Its teardown drops a guard, whose rollback needs what the teardown holds until its end.
#[async_context]
async fn holds_what_its_part_needs(log: Log, permits: Arc<Semaphore>) -> Result<(), Broken> {
    let part = needs(log.clone(), permits.clone()).enter().await?;
    let _ = yield_resource!();
    let permit = permits.acquire().await;
    drop(part);
    log.say("part dropped");
    yield_now().await;
    drop(permit);
    log.say("-whole");
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_goes_on_in_the_background_does_not_wait_again() {
    let log = Log::default();
    let permits = Arc::new(Semaphore::new(1));
    let whole = holds_what_its_part_needs(log.clone(), permits)
        .enter()
        .await
        .unwrap();
    assert!(poll_once(whole.exit()).await.is_none());
    assert_eq!(log.said(), "part dropped");
    timeout(Duration::from_secs(9), drain())
        .await
        .expect("a dead-lock");
    assert_eq!(log.said(), "part dropped, -whole, -needs");
}

/// A branch that goes on entering and dropping contexts doesn't hold up an exit in another one.
#[tokio::test]
async fn an_exit_is_not_starved_by_another_branch() {
    let log = Log::default();
    let outer = slow(log.clone(), "outer").enter().await.unwrap();
    let exit = async {
        yield_now().await;
        assert!(pending() > 0);
        outer.exit().await.unwrap();
        log.say("exited");
    };
    let busy = async {
        loop {
            // Its rollback takes longer than this branch does to start the next one.
            drop(slow(Log::default(), "busy").enter().await.unwrap());
            yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = busy => {}
        () = exit => {}
        () = settle() => panic!("starved: {}", log.said()),
    }
    assert_eq!(log.said(), "+outer, -outer, exited");
    drain().await;
}

/// Uses a guard of its own around its yield point.
#[async_context]
async fn with_a_part(log: Log, name: &'static str, gate: Arc<Semaphore>) -> Result<(), Broken> {
    let part = gated(log.clone(), name, gate).enter().await?;
    let _ = yield_resource!();
    part.exit().await?;
    log.say(format_args!("whole {name}"));
}

/// What contexts do inside is their own affair: branches in closure style need no lanes, whatever the contexts are made of.
#[tokio::test(start_paused = true)]
async fn branches_in_closure_style_whose_contexts_use_guards() {
    let log = Log::default();
    let (opened, shut) = (Arc::new(Semaphore::new(1)), closed());
    let first = with_a_part(log.clone(), "a", opened).with(async |_| -> Result<(), Broken> {
        sleep(Duration::from_millis(5)).await;
        Ok(())
    });
    let second = with_a_part(log.clone(), "b", shut.clone())
        .with(async |_| -> Result<(), Broken> { forever().await });
    let second = timeout(Duration::from_millis(2), second);
    let both = async { tokio::join!(first, second) };
    let (first, second) = timeout(Duration::from_secs(9), both)
        .await
        .expect("a dead-lock");
    first.unwrap();
    assert!(second.is_err());
    assert_eq!(log.said(), "+a, +b, ~b, ~a, -a, whole a");
    shut.add_permits(1);
    drain().await;
    assert_eq!(log.said(), "+a, +b, ~b, ~a, -a, whole a, -b, whole b");
}

/// Takes over what was entered before it, and exits or drops it in its teardown.
#[async_context]
async fn owner<C>(log: Log, older: Guard<C>, exits: bool) -> Result<(), Broken>
where
    C: AsyncContext<Resource = (), Kind = Fallible<Broken>> + Send + 'static,
{
    let _ = yield_resource!();
    yield_now().await;
    if exits {
        older.exit().await?;
    }
    log.say("-owner");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_exits_a_guard_entered_before_it_does_not_wait_for_itself() {
    let log = Log::default();
    for exits in [true, false] {
        let older = slow(log.clone(), "older").enter().await.unwrap();
        let owner = owner(log.clone(), older, exits).enter().await.unwrap();
        drop(owner);
        timeout(Duration::from_secs(9), drain())
            .await
            .expect("a dead-lock");
    }
    assert_eq!(log.said(), "+older, -older, -owner, +older, -owner, -older");
}

/// The same in closure style; and begun in the foreground, so that the inner exit has looked already at what it has to wait for.
#[tokio::test(start_paused = true)]
async fn also_when_that_exit_had_begun_before_the_rollback_did() {
    let log = Log::default();
    let gate = closed();
    let older = slow(log.clone(), "older").enter().await.unwrap();
    let younger = gated(log.clone(), "younger", gate.clone())
        .enter()
        .await
        .unwrap();
    let owner = owner(log.clone(), older, true).with(async |_| -> Result<(), Broken> {
        drop(younger);
        Ok(())
    });
    {
        let mut owner = std::pin::pin!(owner);
        for _ in 0..5 {
            assert!(futures::poll!(owner.as_mut()).is_pending());
            yield_now().await;
        }
    }
    gate.add_permits(1);
    timeout(Duration::from_secs(9), drain())
        .await
        .expect("a dead-lock");
    assert_eq!(
        log.said(),
        "+older, +younger, ~younger, -younger, -older, -owner"
    );
}

/// A guard that is older than a body and dropped inside it is no part of that body.
#[tokio::test(start_paused = true)]
async fn an_older_guard_dropped_in_a_body_waits_for_that_body_not_it_for_the_guard() {
    let log = Log::default();
    let older = slow(log.clone(), "older").enter().await.unwrap();
    let body = slow(log.clone(), "body").with(async |_| {
        drop(older);
        forever::<Result<(), Broken>>().await
    });
    assert!(poll_once(body).await.is_none());
    timeout(Duration::from_secs(9), drain())
        .await
        .expect("a dead-lock");
    assert_eq!(log.said(), "+older, +body, -body, -older");
}

#[tokio::test]
async fn a_body_that_never_ends_holds_up_only_what_is_around_it() {
    let log = Log::default();
    let endless = tokio::spawn({
        let log = log.clone();
        async move {
            slow(log, "endless")
                .with(async |_| -> Result<(), Broken> { forever().await })
                .await
        }
    });
    settle().await;
    timeout(Duration::from_secs(1), drain()).await.unwrap();
    endless.abort();
    assert!(endless.await.is_err());
    drain().await;
    assert_eq!(log.said(), "+endless, -endless");
}
