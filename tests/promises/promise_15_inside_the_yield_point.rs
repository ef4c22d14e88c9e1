//! What a context function wraps around its yield holds for the body. (Where it drops its yield point: in `cancellation`.)

use contextlib::{async_context, background::drain, yield_resource};
use contextlib_tests::{BodyError, Census, ContextError, Counted, Log, poll_once, yields};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::{Instrument, Subscriber, span};

const SECOND: Duration = Duration::from_secs(1);

#[async_context]
async fn at_most(limit: Duration, log: Log) -> Result<(), ContextError> {
    let ended = timeout(limit, async {
        let exit = yield_resource!();
        sleep(SECOND).await;
        log.say(format!("{exit:?}"));
    });
    match ended.await {
        Ok(()) => log.say("in time"),
        Err(_) => {
            log.say("too late");
            return Err(ContextError("timeout"));
        }
    }
}

/// Says when it is dropped.
struct Said<'a>(&'a Log);
impl Drop for Said<'_> {
    fn drop(&mut self) {
        self.0.say("body dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout() {
    let log = Log::new();
    let begin = Instant::now();
    let with = at_most(SECOND * 3, log.clone()).with(async |()| -> Result<u8, BodyError> {
        sleep(SECOND).await;
        Ok(1)
    });
    assert_eq!(with.await, Ok(1));
    assert_eq!(log.take(), ["Completed", "in time"]);
    assert_eq!(begin.elapsed(), SECOND * 2);

    let begin = Instant::now();
    let with = at_most(SECOND * 3, log.clone()).with(async |()| -> Result<u8, BodyError> {
        let _said = Said(&log);
        std::future::pending().await
    });
    assert_eq!(with.await, Err(BodyError::Context(ContextError("timeout"))));
    assert_eq!(log.take(), ["body dropped", "too late"]);
    assert_eq!(begin.elapsed(), SECOND * 3);
    // With a body that fails, the rest of the yield point's block is still under the timeout.
    let with = at_most(SECOND / 2, log.clone())
        .with(async |()| -> Result<u8, BodyError> { Err(BodyError::Own("error")) });
    assert_eq!(with.await, Err(BodyError::Own("error")));
    assert_eq!(log.take(), ["too late"]);
}

#[derive(Default)]
struct Lease {
    renewed: AtomicU32,
    released: AtomicU32,
}

#[async_context]
async fn lease(lease: Arc<Lease>) -> Arc<Lease> {
    let renew = async {
        let mut ticks = interval(SECOND);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            lease.renewed.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::select! {
        _ = async { yield_resource!(move lease.clone()).1.kind() } => {}
        () = renew => {}
    }
    lease.released.fetch_add(1, Ordering::Relaxed);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_while_the_body_runs() {
    let its = Arc::new(Lease::default());
    let seen = lease(its.clone())
        .run(async |lease| {
            let mut seen = Vec::new();
            for _ in 0..3 {
                sleep(SECOND * 2 + SECOND / 4).await;
                seen.push(lease.renewed.load(Ordering::Relaxed));
            }
            seen
        })
        .await;
    assert_eq!(seen, [2, 4, 6]);
    assert_eq!(its.released.load(Ordering::Relaxed), 1);
}

/// A body that a shutdown signal ends.
#[tokio::test(start_paused = true)]
async fn a_shutdown_signal() {
    #[async_context(suppress)]
    async fn until(signal: Arc<tokio::sync::Notify>) -> u8 {
        tokio::select! {
            exit = async { yield_resource!(1).kind() } => assert!(exit == contextlib::ExitKind::Completed),
            () = signal.notified() => {}
        }
    }
    let signal = Arc::new(tokio::sync::Notify::new());
    let log = Log::new();
    let body = until(signal.clone()).run(async |_| {
        let _said = Said(&log);
        sleep(SECOND * 100).await;
    });
    let (ended, ()) = tokio::join!(body, async {
        sleep(SECOND).await;
        signal.notify_one();
    });
    assert_eq!(ended, None);
    assert_eq!(log.lines(), ["body dropped"]);
    assert_eq!(until(signal).run(async |one| *one).await, Some(1));
}

tokio::task_local! {
    static REQUEST: u32;
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

#[async_context]
async fn request(number: u32, log: Log) {
    let outside = REQUEST.try_with(|number| *number);
    let scope = REQUEST.scope(number, async {
        let exit = yield_resource!();
        log.say(format!("{exit:?} {}", REQUEST.get()));
    });
    scope.await;
    assert_eq!(REQUEST.try_with(|number| *number), outside);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_local_scope() {
    let log = Log::new();
    let its_log = log.clone();
    let task = tokio::spawn(async move {
        request(1, its_log.clone())
            .run(async |()| {
                assert_eq!(REQUEST.get(), 1);
                tokio::task::yield_now().await;
                request(2, its_log.clone())
                    .run(async |()| {
                        tokio::task::yield_now().await;
                        assert_eq!(REQUEST.get(), 2);
                    })
                    .await;
                assert_eq!(REQUEST.get(), 1);
            })
            .await;
        assert!(REQUEST.try_with(|_| ()).is_err());
    });
    task.await.unwrap();
    assert_eq!(log.lines(), ["Completed 2", "Completed 1"]);
}

/// The smallest subscriber that knows in which span a thread is.
#[derive(Default)]
struct Spans {
    next: AtomicU64,
    names: Mutex<Vec<&'static str>>,
    entered: Arc<Mutex<Vec<&'static str>>>,
    events: Log,
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("promises")
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.names
            .lock()
            .unwrap()
            .push(attributes.metadata().name());
        span::Id::from_u64(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 = format!("{value:?}");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.events
            .say(format!("{} in {:?}", text.0, self.entered.lock().unwrap()));
    }
    fn enter(&self, id: &span::Id) {
        let name = self.names.lock().unwrap()[id.into_u64() as usize - 1];
        self.entered.lock().unwrap().push(name);
    }
    fn exit(&self, _: &span::Id) {
        self.entered.lock().unwrap().pop();
    }
}

#[test]
fn a_tracing_span() {
    #[async_context]
    async fn traced() {
        tracing::info!("setup");
        let inside = async {
            let _ = yield_resource!();
            tracing::info!("still inside");
        };
        inside.instrument(tracing::info_span!("context")).await;
        tracing::info!("teardown");
    }
    let spans = Spans::default();
    let (events, entered) = (spans.events.clone(), spans.entered.clone());
    tracing::subscriber::with_default(spans, || {
        futures::executor::block_on(traced().run(async |()| {
            tracing::info!("body");
            yields(1).await;
            async { tracing::info!("deeper") }
                .instrument(tracing::info_span!("inner"))
                .await;
        }));
    });
    let expected = [
        "setup in []",
        "body in [\"context\"]",
        "deeper in [\"context\", \"inner\"]",
        "still inside in [\"context\"]",
        "teardown in []",
    ];
    assert_eq!(events.lines(), expected);
    assert!(entered.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn futures_unordered() {
    #[async_context]
    async fn among_others(log: Log) -> Result<u8, ContextError> {
        let yields_it = async {
            let exit = yield_resource!(1);
            log.say(format!("{exit:?}"));
        };
        let waits = async {
            sleep(SECOND * 2).await;
            log.say("another");
        };
        let mut all = FuturesUnordered::<futures::future::BoxFuture<'_, ()>>::from_iter([
            Box::pin(yields_it) as _,
            Box::pin(waits) as _,
        ]);
        while all.next().await.is_some() {}
        drop(all);
        log.say("end");
    }
    for body_lasts in [0, 1, 3] {
        let log = Log::new();
        let begin = Instant::now();
        let with = among_others(log.clone()).with(async |one| -> Result<u8, BodyError> {
            sleep(SECOND * body_lasts).await;
            *one += 1;
            Ok(*one)
        });
        assert_eq!(with.await, Ok(2));
        let expected = if body_lasts < 2 {
            ["Completed", "another", "end"]
        } else {
            ["another", "Completed", "end"]
        };
        assert_eq!(log.lines(), expected);
        assert_eq!(begin.elapsed(), SECOND * body_lasts.max(2));
    }
}

/// A combinator of one's own, that does something whenever it polls: each poll of the body is inside.
#[test]
fn every_poll_of_the_body_is_inside() {
    async fn deeper<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            DEPTH.set(DEPTH.get() + 1);
            let polled = future.as_mut().poll(cx);
            DEPTH.set(DEPTH.get() - 1);
            polled
        })
        .await
    }
    #[async_context]
    async fn context() {
        let outside = DEPTH.get();
        let _ = deeper(async { yield_resource!() }).await;
        assert_eq!(DEPTH.get(), outside);
    }
    struct AtDepth(u32);
    impl Drop for AtDepth {
        fn drop(&mut self) {
            assert_eq!(DEPTH.get(), self.0);
        }
    }
    futures::executor::block_on(context().run(async |()| {
        let _local = AtDepth(1);
        for _ in 0..3 {
            assert_eq!(DEPTH.get(), 1);
            yields(1).await;
        }
        context()
            .run(async |()| {
                let _local = AtDepth(2);
                yields(1).await;
                assert_eq!(DEPTH.get(), 2);
            })
            .await;
        assert_eq!(DEPTH.get(), 1);
    }));
}

/// A body that its context hasn't come to poll, when its caller is gone: it has its resource already, which the teardown gets back.
#[tokio::test]
async fn a_body_that_is_not_polled_gives_its_resource_back() {
    #[async_context]
    async fn polls_it_late(log: Log, census: Census) -> Counted {
        let resource = census.value("resource");
        let mut yields_it = Box::pin(async { yield_resource!(move resource) });
        let mut polls = 0;
        let polled = poll_fn(|cx| {
            polls += 1;
            match polls {
                2 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => yields_it.as_mut().poll(cx),
            }
        });
        let (resource, exit) = polled.await;
        resource.touch();
        log.say(format!("{exit:?}"));
    }
    let (log, census) = (Log::new(), Census::new());
    let with = polls_it_late(log.clone(), census.clone())
        .run(async |_: &mut Counted| unreachable!("its context doesn't poll it"));
    let mut with: Pin<Box<dyn Future<Output = ()>>> = Box::pin(with);
    assert!(poll_once(with.as_mut()).is_pending());
    drop(with);
    drain().await;
    assert_eq!(log.lines(), ["Cancelled"]);
    census.assert_balanced("after its rollback");
}
