//! Contexts in tuples that do to their yield point whatever safe code can.

use contextlib::{
    AsyncContext, ContextManager, IntoContextManager, async_context, background, combine,
    kind::{Fallible, Strict, Wrapping},
    null_context, policy, yield_resource,
};
use contextlib_tests::Reports;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use std::{
    future::poll_fn,
    mem,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread,
};

type Log = Arc<Mutex<Vec<String>>>;

fn lines(log: &Log) -> Vec<String> {
    mem::take(
        &mut *log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
    )
}

#[derive(Debug, PartialEq)]
struct Left;

/// A context that is as it should be, with a resource on the heap.
#[async_context]
async fn inner(log: Log) -> Result<Box<u32>, Left> {
    tokio::task::yield_now().await;
    let mut resource = Box::new(7);
    let exit = yield_resource!(resource).kind();
    tokio::task::yield_now().await;
    log.lock().unwrap().push(format!("{resource} {exit:?}"));
}

type Outer = ContextManager<
    contextlib::BoxContext<'static, Box<u32>, Fallible<Left, Strict, Wrapping>>,
    policy::Inherited,
>;

/// A context around `inner` that does something to its yield point. Both see the body as one would.
async fn around(outer: Outer, log: &Log) -> Result<u32, Left> {
    combine((outer, inner(log.clone())))
        .on_cancel::<policy::Spawn>()
        .with(async |(outer, inner)| -> Result<u32, Left> {
            for _ in 0..3 {
                tokio::task::yield_now().await;
                **outer += 1;
                **inner += 1;
            }
            Ok(**outer + **inner)
        })
        .await
}

#[tokio::test]
async fn boxed_polled_and_forgotten() {
    for polls in 0..12 {
        #[async_context]
        async fn forgets(polls: usize) -> Result<Box<u32>, Left> {
            let mut at_yield = Box::pin(async { yield_resource!(move Box::new(1)).1.kind() });
            for _ in 0..polls {
                if futures::poll!(&mut at_yield).is_ready() {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
            if polls == 0 {
                // It has to be polled once to have yielded.
                assert!(futures::poll!(&mut at_yield).is_pending());
            }
            mem::forget(at_yield);
            tokio::task::yield_now().await;
            return Err(Left);
        }
        let log = Log::default();
        let ended = around(forgets(polls).boxed(), &log).await;
        background::drain().await;
        assert!(ended == Err(Left) || ended == Ok(14), "{polls}: {ended:?}");
        // Whatever had been entered has been torn down, once.
        assert!(lines(&log).len() <= 1, "{polls}");
    }
}

#[tokio::test]
async fn in_a_combinator_with_wakers_of_its_own() {
    #[async_context]
    async fn in_unordered() -> Result<Box<u32>, Left> {
        let mut unordered = FuturesUnordered::new();
        unordered.push(async { yield_resource!(move Box::new(1)) });
        while unordered.next().await.is_some() {}
    }
    let log = Log::default();
    assert_eq!(around(in_unordered().boxed(), &log).await, Ok(14));
    assert_eq!(lines(&log), ["10 Completed"]);
    // Three of them around one another.
    let three = (
        in_unordered(),
        in_unordered(),
        in_unordered(),
        inner(log.clone()),
    );
    let sum = three
        .with(async |(a, b, c, d)| -> Result<u32, Left> {
            tokio::task::yield_now().await;
            **d += 1;
            Ok(**a + **b + **c + **d)
        })
        .await;
    assert_eq!(sum, Ok(11));
    assert_eq!(lines(&log), ["8 Completed"]);
}

#[tokio::test]
async fn with_another_waker_at_each_poll() {
    #[async_context]
    async fn changes() -> Result<Box<u32>, Left> {
        let mut at_yield = pin!(async { yield_resource!(move Box::new(1)).1.kind() });
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            at_yield
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
    }
    let log = Log::default();
    assert_eq!(around(changes().boxed(), &log).await, Ok(14));
    assert_eq!(lines(&log), ["10 Completed"]);
}

/// The other contexts of a tuple are what its first one polls, and the thread that may do so is the one that polls the tuple.
#[tokio::test]
async fn polled_on_another_thread() {
    #[async_context]
    async fn elsewhere() -> Result<Box<u32>, Left> {
        let mut at_yield = Box::pin(async { yield_resource!(move Box::new(1)).1.kind() });
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            let at_yield: Pin<&mut _> = at_yield.as_mut();
            thread::scope(|scope| {
                let poll = scope.spawn(|| at_yield.poll(&mut Context::from_waker(Waker::noop())));
                poll.join()
                    .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            })
        })
        .await;
    }
    let log = Log::default();
    let panic = AssertUnwindSafe(around(elsewhere().boxed(), &log))
        .catch_unwind()
        .await;
    let panic = panic.unwrap_err();
    let message = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(message.contains("another thread"), "{message}");
    assert_eq!(lines(&log), [] as [&str; 0]);
}

#[tokio::test]
async fn the_future_or_the_guard_forgotten() {
    let log = Log::default();
    let mut running = Box::pin(around(boxed_one(), &log));
    for _ in 0..3 {
        assert!(futures::poll!(&mut running).is_pending());
        tokio::task::yield_now().await;
    }
    mem::forget(running);
    mem::forget((inner(log.clone()), inner(log.clone())).enter().await);
    let mut exiting = Box::pin(
        (inner(log.clone()), inner(log.clone()))
            .enter()
            .await
            .unwrap()
            .exit(),
    );
    assert!(futures::poll!(&mut exiting).is_pending());
    mem::forget(exiting);
    assert_eq!(lines(&log), [] as [&str; 0]);
}

fn boxed_one() -> Outer {
    #[async_context]
    async fn one() -> Result<Box<u32>, Left> {
        let _ = async { yield_resource!(move Box::new(1)).1.kind() }.await;
    }
    one().boxed()
}

/// A resource whose destructor panics, when a context around drops its yield point.
#[tokio::test]
async fn panicking_resources() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("a bomb");
            }
        }
    }
    #[async_context]
    async fn bombs(log: Log) -> Result<Bomb, Left> {
        let (bomb, exit) = yield_resource!(move Bomb);
        log.lock().unwrap().push(format!("{:?}", exit.kind()));
        mem::forget(bomb);
    }
    #[async_context]
    async fn leaves() -> Result<Bomb, Left> {
        let mut at_yield = Box::pin(async { yield_resource!(move Bomb).0 });
        for _ in 0..2 {
            assert!(futures::poll!(&mut at_yield).is_pending());
            tokio::task::yield_now().await;
        }
        drop(at_yield);
        return Err(Left);
    }
    let reports = Reports::keep();
    let log = Log::default();
    let left = (leaves(), bombs(log.clone()))
        .with(async |_| -> Result<(), Left> { std::future::pending().await })
        .await;
    assert_eq!(left, Err(Left));
    assert_eq!(
        lines(&log),
        ["Cancelled"],
        "the inner one has its resource back"
    );
    assert_eq!(
        reports.take().len(),
        1,
        "that of the outer one is dropped with its yield point"
    );
}

/// Twice `resume`, polled after the end and the like: a panic at most.
#[tokio::test]
async fn polled_after_the_end() {
    let log = Log::default();
    let mut ended = Box::pin(
        (inner(log.clone()), null_context(1)).with(async |_| -> Result<(), Left> { Ok(()) }),
    );
    let end = poll_fn(|cx| ended.as_mut().poll(cx)).await;
    assert_eq!(end, Ok(()));
    let again = std::panic::catch_unwind(AssertUnwindSafe(|| {
        ended.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }));
    assert!(again.is_err());
    let mut entering = (inner(log.clone()), null_context(1)).enter();
    let guard = poll_fn(|cx| Pin::new(&mut entering).poll(cx)).await;
    let again = std::panic::catch_unwind(AssertUnwindSafe(|| {
        matches!(
            Pin::new(&mut entering).poll(&mut Context::from_waker(Waker::noop())),
            Poll::Pending
        )
    }));
    assert!(again.is_err());
    drop(guard);
    background::drain().await;
}

fn is_send<T: Send>(_: &T) {}

#[test]
fn tuples_of_what_is_send_are() {
    let log = Log::default();
    let tuple = (inner(log.clone()), null_context(1)).into_context_manager();
    is_send(&tuple);
    fn resource<C: AsyncContext<Resource = (Box<u32>, i32)>, P>(_: &ContextManager<C, P>) {}
    resource(&tuple);
    is_send(&tuple.enter());
}
