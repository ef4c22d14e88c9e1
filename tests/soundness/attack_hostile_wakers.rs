//! Wakers that panic when they are woken, and when they are dropped.

use contextlib::{
    IntoContextManager, async_context, background, contexts::move_on_after, yield_resource,
};
use contextlib_tests::{
    BodyError, Census, ContextError, Counted, Log, Reports, poll_once, quiet, quietly, yields,
};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

struct Hostile {
    wakes: AtomicUsize,
    heap: Box<u64>,
    every: usize,
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        assert_eq!(*self.heap, 7);
        if self.wakes.fetch_add(1, Ordering::Relaxed) % self.every == 0 {
            panic!("wake");
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        *self.heap = 0;
        if !thread::panicking() {
            panic!("the waker's drop");
        }
    }
}

#[async_context(on_cancel = drop)]
async fn context<'a>(
    log: &'a Log,
    census: &'a Census,
    unordered: bool,
) -> Result<Counted, ContextError> {
    let resource = census.value("resource");
    let yields_it = async {
        let (resource, exit) = yield_resource!(move resource);
        resource.touch();
        log.say(format!("{exit:?}"));
    };
    if unordered {
        let mut all = FuturesUnordered::from_iter([yields_it.boxed(), yields(1).boxed()]);
        while all.next().await.is_some() {}
    } else {
        yields_it.await;
    }
    yields(1).await;
    Ok(())
}

/// At every point at which a poll may get such a waker, the rest being polled with good ones, or dropped.
#[test]
fn at_every_point() {
    let _reports = Reports::keep();
    quietly(|| {
        for unordered in [false, true] {
            for every in [1, 2] {
                for hostile_from in 0..10 {
                    for gives_up in [false, true] {
                        one(unordered, every, hostile_from, gives_up);
                    }
                }
            }
        }
    });
}

fn one(unordered: bool, every: usize, hostile_from: usize, gives_up: bool) {
    let (log, census) = (Log::new(), Census::new());
    let mut with = Box::pin(context(&log, &census, unordered).with(
        async |resource: &mut Counted| -> Result<Counted, BodyError> {
            let _local = census.value("local of the body");
            for _ in 0..3 {
                yields(1).await;
                resource.touch();
            }
            Ok(census.value("value"))
        },
    ));
    let mut panicked = false;
    for poll in 0..20 {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if poll < hostile_from || panicked {
                return poll_once(with.as_mut()).map(drop);
            }
            let waker = Waker::from(Arc::new(Hostile {
                wakes: AtomicUsize::new(0),
                heap: Box::new(7),
                every,
            }));
            let polled = with
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .map(drop);
            drop(waker);
            polled
        }));
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) => break,
            // An `async` block that has unwound panics when it is polled again, as it may.
            Err(_) if panicked || gives_up => break,
            Err(_) => panicked = true,
        }
    }
    drop(catch_unwind(AssertUnwindSafe(|| drop(with))));
    census.assert_balanced(format!("{unordered} {every} {hostile_from} {gives_up}"));
    assert!(log.lines().len() <= 1);
}

/// The waker that the yield point keeps is hostile, the driver's isn't: what the driver tells the yield point panics in its hands.
#[test]
fn of_the_yield_point_alone() {
    #[async_context(on_cancel = drop, guard)]
    async fn keeps_a_hostile_waker<'a>(census: &'a Census, every: usize) -> Counted {
        let resource = census.value("resource");
        let mut yields_it = Box::pin(async { yield_resource!(move resource).0 });
        let resource = std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            let waker = Waker::from(Arc::new(Hostile {
                wakes: AtomicUsize::new(0),
                heap: Box::new(7),
                every,
            }));
            let polled = yields_it.as_mut().poll(&mut Context::from_waker(&waker));
            std::mem::forget(waker);
            polled
        })
        .await;
        resource.touch();
    }
    let _reports = Reports::keep();
    quietly(|| {
        for every in [1, 2] {
            for polls in 0..10 {
                let census = Census::new();
                let mut with = Box::pin(keeps_a_hostile_waker(&census, every).with(
                    async |resource: &mut Counted| -> Result<(), BodyError> {
                        let _local = census.value("local of the body");
                        resource.touch();
                        yields(1).await;
                        Ok(())
                    },
                ));
                for _ in 0..polls {
                    match catch_unwind(AssertUnwindSafe(|| poll_once(with.as_mut()))) {
                        Ok(Poll::Pending) => {}
                        Ok(Poll::Ready(_)) | Err(_) => break,
                    }
                }
                drop(catch_unwind(AssertUnwindSafe(|| drop(with))));
                census.assert_balanced(format!("with {every} {polls}"));

                let census = Census::new();
                let entered = catch_unwind(AssertUnwindSafe(|| {
                    keeps_a_hostile_waker(&census, every).enter().now_or_never()
                }));
                if let Ok(Some(Ok(guard))) = entered {
                    drop(catch_unwind(AssertUnwindSafe(|| match polls % 2 {
                        0 => drop(guard),
                        _ => drop(guard.exit().now_or_never()),
                    })));
                }
                census.assert_balanced(format!("guard {every} {polls}"));
            }
        }
    });
}

/// One that panics when it is woken keeps no teardown from running.
#[tokio::test]
async fn of_a_context_that_is_cancelled() {
    #[async_context(guard)]
    async fn keeps_its_waker(log: Log) -> Result<(), ContextError> {
        let yields_it = async { yield_resource!(move ()).1.is_cancelled() };
        let mut all = FuturesUnordered::from_iter([yields_it.boxed()]);
        while let Some(cancelled) = all.next().await {
            log.say(format!("{cancelled}"));
        }
        log.say("torn down");
    }

    /// From when on it panics: before that it would do so in what polls the yield point, too.
    #[derive(Default)]
    struct Panics(AtomicBool);

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            assert!(!self.0.load(Ordering::Relaxed), "wake");
        }
    }

    let _reports = Reports::keep();
    let panics = Arc::<Panics>::default();
    let waker = Waker::from(panics.clone());
    let mut cx = Context::from_waker(&waker);
    let (log, other) = (Log::new(), Log::new());
    quietly(|| {
        let body = async |_: &mut ()| -> Result<(), ContextError> { std::future::pending().await };
        let mut with = Box::pin(keeps_its_waker(log.clone()).with(body));
        assert!(with.as_mut().poll(&mut cx).is_pending());
        let mut enter = Box::pin(keeps_its_waker(other.clone()).enter());
        let guard = enter.as_mut().poll(&mut cx);
        assert!(guard.is_ready());
        panics.0.store(true, Ordering::Relaxed);
        drop(with);
        drop(guard);
    });
    background::drain().await;
    for log in [log, other] {
        assert_eq!(log.lines(), ["true", "torn down"]);
    }
}

/// One that panics when it is dropped, by what has waited for something and does no more, keeps no teardown from running either.
#[tokio::test]
async fn of_what_waits_no_more() {
    #[async_context]
    async fn says(log: Log, name: &'static str) -> Result<(), ContextError> {
        let _ = yield_resource!();
        yields(1).await;
        log.say(name);
    }

    let reports = Reports::keep();
    let log = Log::new();
    // A hostile waker that somebody keeps: not the one who polls with it.
    let poll_with_hostile = |future: Pin<&mut dyn Future<Output = ()>>| {
        let waker = Waker::from(Arc::new(Hostile {
            wakes: AtomicUsize::new(1),
            heap: Box::new(7),
            every: 100,
        }));
        let polled = future.poll(&mut Context::from_waker(&waker));
        drop(catch_unwind(AssertUnwindSafe(|| drop(waker))));
        assert!(polled.is_pending());
    };
    let _quiet = quiet();

    // An exit that waits for an inner rollback.
    let outer = says(log.clone(), "outer").enter().await.unwrap();
    drop(says(log.clone(), "inner").enter().await.unwrap());
    let mut exit = Box::pin(outer.exit().map(drop));
    poll_with_hostile(exit.as_mut());
    // By another one, it is replaced.
    assert!(poll_once(exit.as_mut()).is_pending());
    poll_with_hostile(exit.as_mut());
    drop(exit);
    background::drain().await;
    assert_eq!(log.lines(), ["inner", "outer"]);
    assert_eq!(reports.take(), [""; 0]);

    // A `with` whose inner context keeps the waker.
    let body = async |_: &mut _| -> Result<(), BodyError> { std::future::pending().await };
    let both = (says(log.clone(), "lock"), move_on_after(HOUR));
    let mut with = Box::pin(both.with(body).map(drop));
    poll_with_hostile(with.as_mut());
    drop(with);
    background::drain().await;
    assert_eq!(log.lines(), ["inner", "outer", "lock"]);
    // tokio's timer keeps it, too, and drops it in the frame.
    drop(reports.take());

    // A drain.
    drop(says(log.clone(), "last").enter().await.unwrap());
    let mut drain = Box::pin(background::drain());
    poll_with_hostile(drain.as_mut());
    assert!(poll_once(drain.as_mut()).is_pending());
    poll_with_hostile(drain.as_mut());
    drop(drain);
    background::drain().await;
    assert_eq!(log.lines().last().unwrap(), "last");
    assert_eq!(reports.take(), [""; 0]);
}

/// A timeout wakes its task where it finds its timer to have fired; that the waker panics ends neither it nor its body.
#[tokio::test(start_paused = true)]
async fn that_a_timeout_wakes() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("wake");
        }
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    let body = async |_: &mut _| -> Result<(), BodyError> { std::future::pending().await };
    let mut timed = Box::pin(move_on_after(Duration::ZERO).with(body));
    let waker = Waker::from(Arc::new(Panics));
    let polled = timed.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert!(matches!(poll_once(timed.as_mut()), Poll::Ready(Ok(None))));
    assert_eq!(reports.take(), [""; 0]);
}
