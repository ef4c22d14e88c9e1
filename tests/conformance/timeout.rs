//! `test_timeouts.py` of asyncio, with [`timeout`] for `asyncio.timeout`. An hour takes no time here.

use super::{Error, RuntimeError, State, ZeroDivisionError, one_by_zero};
use contextlib::{
    IntoContextManager, async_context, async_with,
    contexts::{Elapsed, RescheduleError, Timeout, move_on_after, timeout, timeout_at},
    yield_resource,
};
use contextlib_tests::Reports;
use futures::FutureExt;
use std::{future::pending, panic::AssertUnwindSafe, time::Duration};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Appends its name when it is dropped: what an `except CancelledError: … raise` in the body sees.
struct Dropped(State);
impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.append("cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_basic() {
    let start = Instant::now();
    let context = timeout(SECOND);
    let cm = context.timeout();
    assert_eq!(
        cm.when(),
        Some(start + SECOND),
        "known before it is entered"
    );
    let raised = context
        .with(async |cm| -> Result<(), Elapsed> {
            assert_eq!(cm.when(), Some(start + SECOND));
            assert!(!cm.expired());
            sleep(HOUR).await;
            Ok(())
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert!(cm.expired());
    assert!(start.elapsed() >= SECOND && start.elapsed() < SECOND * 2);
    assert_eq!(cm.when(), Some(start + SECOND));
}

#[tokio::test(start_paused = true)]
async fn timeout_at_basic() {
    let deadline = Instant::now() + SECOND;
    let context = timeout_at(deadline);
    let cm = context.timeout();
    let raised = context
        .with(async |_| -> Result<(), Elapsed> { pending().await })
        .await;
    assert_eq!(
        (raised, cm.expired(), cm.when()),
        (Err(Elapsed), true, Some(deadline))
    );
    assert!(Instant::now() >= deadline);
}

// Equal deadlines: only the outer one reports. In Python both have expired.
#[tokio::test(start_paused = true)]
async fn nested_timeouts() {
    let deadline = Instant::now() + SECOND;
    let (outer, inner) = (timeout_at(deadline), timeout_at(deadline));
    let (cm1, cm2) = (outer.timeout(), inner.timeout());
    let state = State::default();
    let raised = outer
        .with(async |_| -> Result<(), Elapsed> {
            let _dropped = Dropped(state.clone());
            let _ = inner
                .with(async |_| -> Result<(), Elapsed> { pending().await })
                .await;
            unreachable!("the inner one was cancelled")
        })
        .await;
    assert_eq!(
        (raised, cm1.expired(), cm2.expired()),
        (Err(Elapsed), true, false)
    );
    assert_eq!(state.get(), ["cancelled"]);
    // In one frame.
    let deadline = Instant::now() + SECOND;
    let (outer, inner) = (timeout_at(deadline), timeout_at(deadline));
    let (cm1, cm2) = (outer.timeout(), inner.timeout());
    let raised = (outer, inner)
        .with(async |_| -> Result<(), Elapsed> { pending().await })
        .await;
    assert_eq!(
        (raised, cm1.expired(), cm2.expired()),
        (Err(Elapsed), true, false)
    );
}

// Inner due first: the inner one reports, the outer one hasn't expired.
#[tokio::test(start_paused = true)]
async fn nested_timeouts_inner_first() {
    let (outer, inner) = (timeout(HOUR), timeout(SECOND));
    let (cm1, cm2) = (outer.timeout(), inner.timeout());
    let went_on = outer
        .with(async |_| -> Result<bool, Elapsed> {
            let raised = inner
                .with(async |_| -> Result<(), Elapsed> { pending().await })
                .await;
            assert_eq!(raised, Err(Elapsed));
            Ok(true)
        })
        .await;
    assert_eq!(
        (went_on, cm1.expired(), cm2.expired()),
        (Ok(true), false, true)
    );
}

#[tokio::test(start_paused = true)]
async fn waiter_cancelled() {
    let state = State::default();
    let raised = timeout(SECOND)
        .with(async |_| -> Result<(), Elapsed> {
            let _dropped = Dropped(state.clone());
            pending().await
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert_eq!(state.get(), ["cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn timeout_not_called() {
    let start = Instant::now();
    let context = timeout(HOUR);
    let cm = context.timeout();
    let done = context
        .with(async |_| -> Result<u8, Elapsed> {
            sleep(SECOND).await;
            Ok(1)
        })
        .await;
    assert_eq!((done, cm.expired()), (Ok(1), false));
    assert!(start.elapsed() < SECOND * 2);
    assert_eq!(cm.when(), Some(start + HOUR));
}

#[tokio::test(start_paused = true)]
async fn timeout_disabled() {
    let context = timeout(None);
    let cm = context.timeout();
    assert_eq!(cm.when(), None);
    let done = context
        .with(async |_| -> Result<(), Elapsed> {
            sleep(HOUR).await;
            Ok(())
        })
        .await;
    assert_eq!((done, cm.expired(), cm.when()), (Ok(()), false, None));
}

#[tokio::test(start_paused = true)]
async fn timeout_at_disabled() {
    let done = timeout_at(None)
        .with(async |cm| -> Result<Option<Instant>, Elapsed> {
            sleep(HOUR).await;
            Ok(cm.when())
        })
        .await;
    assert_eq!(done, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn timeout_zero() {
    let start = Instant::now();
    let context = timeout(Duration::ZERO);
    let cm = context.timeout();
    let raised = context
        .with(async |_| -> Result<(), Elapsed> { pending().await })
        .await;
    assert_eq!((raised, cm.expired()), (Err(Elapsed), true));
    assert!(start.elapsed() < SECOND);
}

// `await asyncio.sleep(0)`: any suspension is enough, none is not.
#[tokio::test(start_paused = true)]
async fn timeout_zero_sleep_zero() {
    let state = State::default();
    let raised = timeout(Duration::ZERO)
        .with(async |_| -> Result<(), Elapsed> {
            state.append("before");
            tokio::task::yield_now().await;
            state.append("after");
            Ok(())
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert_eq!(state.get(), ["before"]);
    let done = timeout(Duration::ZERO)
        .with(async |_| -> Result<u8, Elapsed> { Ok(1) })
        .await;
    assert_eq!(done, Ok(1), "a body that never suspends finishes");
}

#[tokio::test(start_paused = true)]
async fn timeout_in_the_past_sleep_zero() {
    let past = Instant::now();
    sleep(HOUR).await;
    let context = timeout_at(past);
    let cm = context.timeout();
    let raised = context
        .with(async |_| -> Result<(), Elapsed> {
            tokio::task::yield_now().await;
            Ok(())
        })
        .await;
    assert_eq!((raised, cm.expired()), (Err(Elapsed), true));
}

#[tokio::test(start_paused = true)]
async fn foreign_exception_passed() {
    let context = timeout(SECOND);
    let cm = context.timeout();
    let raised = context
        .with(async |_| -> Result<(), Error> { Ok(one_by_zero()?) })
        .await;
    assert_eq!(
        (raised, cm.expired()),
        (Err(Error::ZeroDivision(ZeroDivisionError(999))), false)
    );
    // A timeout error of the body's own, too.
    let context = timeout(SECOND);
    let cm = context.timeout();
    let raised = context
        .with(async |_| -> Result<(), Elapsed> { Err(Elapsed) })
        .await;
    assert_eq!((raised, cm.expired()), (Err(Elapsed), false));
}

// `finally: 1/0` in the body when time is up. What is awaited there is a context's teardown; it fails after the timeout has, and is reported.
#[tokio::test(start_paused = true)]
async fn foreign_exception_on_timeout() {
    #[async_context]
    async fn crash() -> Result<(), ZeroDivisionError> {
        let _ = yield_resource!();
        Err(ZeroDivisionError(7))
    }
    let reports = Reports::keep();
    let raised = timeout(SECOND)
        .with(async |_| -> Result<(), Error> {
            crash()
                .with(async |()| -> Result<(), Error> { pending().await })
                .await
        })
        .await;
    assert_eq!(raised, Err(Error::Timeout));
    let raised = (timeout(SECOND), crash())
        .with(async |_| -> Result<(), Error> { pending().await })
        .await;
    assert_eq!(raised, Err(Error::Timeout));
    assert_eq!(
        reports.take(),
        ["crash failed: ZeroDivisionError(7) after cancelled"; 2]
    );
    // What isn't awaited is a destructor; its panic goes to the caller.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("1/0");
        }
    }
    let crash = timeout(SECOND).with(async |_| -> Result<(), Error> {
        let _bomb = Bomb;
        pending().await
    });
    let panic = AssertUnwindSafe(crash).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"1/0"));
}

// Cancellation from outside, the task's: it beats the timeout, which hasn't expired.
#[tokio::test(start_paused = true)]
async fn foreign_cancel_doesnt_timeout_if_not_expired() {
    let context = timeout(SECOND);
    let cm = context.timeout();
    let state = State::default();
    let dropped = Dropped(state.clone());
    let task = tokio::spawn(context.with(async move |cm| -> Result<(), Elapsed> {
        let _dropped = dropped;
        assert_eq!(cm.reschedule(cm.when()), Ok(()));
        pending().await
    }));
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(state.get(), ["cancelled"]);
    assert!(!cm.expired());
    assert_eq!(cm.reschedule(None), Err(RescheduleError::Finished));
}

// Cancellation from inside: a context around the timeout drops its yield point.
#[tokio::test(start_paused = true)]
async fn foreign_cancel_doesnt_timeout_if_not_expired_inside() {
    let (outer, inner) = (timeout(SECOND), timeout(HOUR));
    let (cm1, cm2) = (outer.timeout(), inner.timeout());
    let raised = outer
        .with(async |_| {
            inner
                .with(async |_| -> Result<(), Elapsed> { pending().await })
                .await
        })
        .await;
    assert_eq!(
        (raised, cm1.expired(), cm2.expired()),
        (Err(Elapsed), true, false)
    );
}

#[tokio::test(start_paused = true)]
async fn outer_task_is_not_cancelled() {
    let task = tokio::spawn(async {
        let raised = timeout(SECOND)
            .with(async |_| -> Result<(), Elapsed> { pending().await })
            .await;
        assert_eq!(raised, Err(Elapsed));
        sleep(SECOND).await;
        "went on"
    });
    assert_eq!(task.await.unwrap(), "went on");
}

// The outer one is due while the inner one's body is busy; the inner one isn't.
#[tokio::test]
async fn nested_timeouts_concurrent() {
    let (outer, inner) = (timeout(Duration::from_millis(2)), timeout(HOUR));
    let (cm1, cm2) = (outer.timeout(), inner.timeout());
    let raised = outer
        .with(async |_| {
            inner
                .with(async |_| -> Result<(), Elapsed> {
                    std::thread::sleep(Duration::from_millis(10)); // Pretend to crunch some numbers.
                    pending().await
                })
                .await
        })
        .await;
    assert_eq!(
        (raised, cm1.expired(), cm2.expired()),
        (Err(Elapsed), true, false)
    );
}

// Both are due when the busy body is first suspended: only the outer one reports.
#[tokio::test]
async fn nested_timeouts_loop_busy() {
    let (outer, inner) = (
        timeout(Duration::from_millis(5)),
        timeout(Duration::from_millis(1)),
    );
    let (cm1, cm2) = (outer.timeout(), inner.timeout());
    let raised = outer
        .with(async |_| -> Result<(), Elapsed> {
            let _ = inner
                .with(async |_| -> Result<(), Elapsed> {
                    std::thread::sleep(Duration::from_millis(10));
                    pending().await
                })
                .await;
            unreachable!()
        })
        .await;
    assert_eq!(
        (raised, cm1.expired(), cm2.expired()),
        (Err(Elapsed), true, false)
    );
}

#[tokio::test(start_paused = true)]
async fn reschedule() {
    let start = Instant::now();
    // Earlier.
    let raised = timeout(HOUR)
        .with(async |cm| -> Result<(), Elapsed> {
            cm.reschedule(start + SECOND).unwrap();
            assert_eq!(cm.when(), Some(start + SECOND));
            pending().await
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert!(start.elapsed() < SECOND * 2);
    // Later.
    let start = Instant::now();
    let raised = timeout(SECOND)
        .with(async |cm| -> Result<(), Elapsed> {
            cm.reschedule(start + HOUR).unwrap();
            sleep(SECOND * 2).await;
            cm.reschedule(start + SECOND * 3).unwrap();
            pending().await
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert!(start.elapsed() >= SECOND * 3 && start.elapsed() < SECOND * 4);
    // In the past: at once, that is, where the body is next suspended.
    let state = State::default();
    let raised = timeout(HOUR)
        .with(async |cm| -> Result<(), Elapsed> {
            cm.reschedule(start).unwrap();
            state.append("goes on until it is suspended");
            tokio::task::yield_now().await;
            unreachable!()
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert_eq!(state.get().len(), 1);
    // Off.
    let done = timeout(SECOND)
        .with(async |cm| -> Result<u8, Elapsed> {
            cm.reschedule(None).unwrap();
            sleep(HOUR).await;
            Ok(1)
        })
        .await;
    assert_eq!(done, Ok(1));
    // From another task, while the body is suspended.
    let (send, receive) = tokio::sync::oneshot::channel::<Timeout>();
    let other = tokio::spawn(async move {
        let cm = receive.await.unwrap();
        sleep(SECOND).await;
        cm.reschedule(Instant::now()).unwrap();
    });
    let start = Instant::now();
    let raised = timeout(HOUR)
        .with(async |cm| -> Result<(), Elapsed> {
            send.send(cm.clone()).unwrap();
            pending().await
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert!(start.elapsed() < SECOND * 2);
    other.await.unwrap();
}

// The teardown of what has expired isn't bounded by it, and may have a timeout of its own.
#[tokio::test(start_paused = true)]
async fn nested_timeout_in_finally() {
    #[async_context]
    async fn cleans_up(state: State) {
        let _ = yield_resource!();
        let raised = timeout(SECOND)
            .with(async |_| -> Result<(), Elapsed> { pending().await })
            .await;
        state.append(format_args!("{raised:?}"));
    }
    let start = Instant::now();
    let state = State::default();
    let raised = timeout(SECOND)
        .with(async |_| -> Result<(), Elapsed> {
            async_with!(_ = cleans_up(state.clone()), async {
                pending::<Result<(), Elapsed>>().await
            })
            .await
        })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert_eq!(state.get(), ["Err(Elapsed)"], "`with` has waited for it");
    assert!(start.elapsed() >= SECOND * 2);
    let raised = (timeout(SECOND), cleans_up(state.clone()))
        .with(async |_| -> Result<(), Elapsed> { pending().await })
        .await;
    assert_eq!(raised, Err(Elapsed));
    assert_eq!(state.get().len(), 2);
}

// A timeout is used up by `with`: a second time is a compile error (`ui/timeout/used_twice.rs`). Also `timeout_double_enter`.
#[tokio::test(start_paused = true)]
async fn timeout_already_entered() {
    let context = timeout(SECOND);
    let cm = context.timeout();
    context
        .with(async |_| -> Result<(), Elapsed> { Ok(()) })
        .await
        .unwrap();
    assert_eq!(cm.reschedule(None), Err(RescheduleError::Finished));
}

#[tokio::test(start_paused = true)]
async fn reschedule_in_another_state() {
    let context = timeout(SECOND);
    let cm = context.timeout();
    assert_eq!(cm.reschedule(None), Err(RescheduleError::NotEntered));
    context
        .with(async |cm| -> Result<(), Elapsed> {
            assert_eq!(cm.reschedule(None), Ok(()));
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(cm.reschedule(None), Err(RescheduleError::Finished));
    let context = timeout(SECOND);
    let cm = context.timeout();
    context
        .with(async |_| -> Result<(), Elapsed> { pending().await })
        .await
        .unwrap_err();
    assert_eq!(cm.reschedule(None), Err(RescheduleError::Expired));
    assert_eq!(
        RescheduleError::Expired.to_string(),
        "the timeout has expired"
    );
    // Never entered.
    let context = timeout(SECOND);
    let cm = context.timeout();
    drop(context);
    assert_eq!(cm.reschedule(None), Err(RescheduleError::Finished));
}

// Python's "Timeout should be used inside a task".
#[test]
fn timeout_without_a_runtime() {
    let entered = timeout(SECOND).with(async |_| -> Result<(), Elapsed> { Ok(()) });
    let panic = AssertUnwindSafe(entered).catch_unwind();
    let panic = futures::executor::block_on(panic).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("`timeout`") && message.contains("tokio runtime"),
        "{message}"
    );
    assert!(message.contains(file!()), "{message}");
}

// A task that has been cancelled before it began: the context isn't entered.
#[tokio::test(start_paused = true)]
async fn timeout_after_cancellation() {
    let context = timeout(SECOND);
    let cm = context.timeout();
    drop(context.with(async |_| -> Result<(), Elapsed> { unreachable!() }));
    sleep(HOUR).await;
    assert!(!cm.expired());
}

// trio's `move_on_after`: it ends without an error.
#[tokio::test(start_paused = true)]
async fn move_on() {
    let context = move_on_after(SECOND);
    let cm = context.timeout();
    assert_eq!(context.run(async |_| pending::<u8>().await).await, None);
    assert!(cm.expired());
    let context = move_on_after(SECOND);
    let cm = context.timeout();
    assert_eq!(context.run(async |_| 1).await, Some(1));
    assert!(!cm.expired());
    let raised = move_on_after(SECOND)
        .with(async |_| -> Result<(), ZeroDivisionError> { one_by_zero() })
        .await;
    assert_eq!(raised, Err(ZeroDivisionError(999)));
    // Around the setup and the teardown of an inner context, too.
    #[async_context]
    async fn slow(state: State, setup: Duration, teardown: Duration) -> Result<(), RuntimeError> {
        sleep(setup).await;
        let exit = yield_resource!();
        sleep(teardown).await;
        state.append(format_args!("{:?}", exit.kind()));
    }
    let state = State::default();
    let body = async |_: &mut (Timeout, ())| -> Result<u8, Error> { Ok(1) };
    let ended = (move_on_after(SECOND), slow(state.clone(), HOUR, SECOND))
        .with(body)
        .await;
    assert_eq!(ended, Ok(None));
    assert_eq!(state.get(), [] as [&str; 0]);
    let ended = (
        move_on_after(SECOND),
        slow(state.clone(), Duration::ZERO, HOUR),
    )
        .with(body)
        .await;
    // The teardown that was under way has gone on, to its end, with the exit that it had.
    assert_eq!(state.get(), ["Completed"]);
    assert_eq!(ended, Ok(None));
}
