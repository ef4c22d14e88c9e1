//! Polls, drops and exits on other threads.

use contextlib::{
    __private as p, AsyncContext, ContextManager, YieldOnce, async_context, background,
    kind::Fallible, policy, yield_resource,
};
use contextlib_tests::{
    BodyError, Census, ContextError, Counted, Log, message, poll_once, quiet, yields,
};
use futures::executor::block_on;
use std::{
    cell::Cell,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    thread::{self, ThreadId},
};

#[async_context]
async fn context(log: Log, census: Census) -> Result<Counted, ContextError> {
    let local = census.value("local");
    let mut resource = census.value("resource");
    yields(1).await;
    let exit = yield_resource!(resource);
    yields(2).await;
    log.say(format!("{exit:?}"));
    local.touch();
    Ok(())
}

#[test]
fn every_poll_on_another_thread() {
    let (log, census) = (Log::new(), Census::new());
    let mut with = Box::pin(context(log.clone(), census.clone()).with(
        async |resource| -> Result<Counted, BodyError> {
            for _ in 0..3 {
                yields(1).await;
                resource.touch();
            }
            Err(BodyError::Own("body"))
        },
    ));
    loop {
        let polled = thread::scope(|scope| {
            let with = with.as_mut();
            scope.spawn(move || poll_once(with)).join().unwrap()
        });
        if let Poll::Ready(result) = polled {
            assert_eq!(result.unwrap_err(), BodyError::Own("body"));
            break;
        }
    }
    assert_eq!(log.lines(), ["Failed(Own(\"body\"))"]);
    census.assert_balanced("every poll on another thread");
}

/// Polls `future` once on a thread of its own.
fn poll_elsewhere<F: Future<Output: Send> + Send + ?Sized>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let waker = cx.waker().clone();
    let polled = thread::scope(|scope| {
        scope
            .spawn(move || future.poll(&mut Context::from_waker(&waker)))
            .join()
    });
    polled.unwrap_or_else(|payload| resume_unwind(payload))
}

/// Polls its yield point on other threads from the `at`th poll on.
fn elsewhere(
    census: &Census,
    at: usize,
) -> ContextManager<
    impl AsyncContext<Resource = Counted, Kind = Fallible<ContextError>>,
    policy::Drop,
> {
    p::on_cancel_drop::<Counted, Fallible<ContextError>, _>(
        p::defined_around_its_body(|| "elsewhere"),
        async move |yielder: YieldOnce<'_, Counted>| {
            let mut lend = Box::pin(yielder.lend(census.value("resource")));
            let mut polls = 0;
            let (resource, exit) = poll_fn(|cx| {
                polls += 1;
                if polls > at {
                    poll_elsewhere(lend.as_mut(), cx)
                } else {
                    lend.as_mut().poll(cx)
                }
            })
            .await;
            resource.touch();
            assert!(exit.is_completed());
            Ok(())
        },
    )
}

#[test]
fn a_send_body_runs_there() {
    for at in 0..4 {
        let census = Census::new();
        let mut threads = Vec::new();
        let with = elsewhere(&census, at).with(
            async |resource: &mut Counted| -> Result<Counted, BodyError> {
                for _ in 0..4 {
                    threads.push(thread::current().id());
                    resource.touch();
                    yields(1).await;
                }
                Ok(census.value("value"))
            },
        );
        drop(block_on(with).unwrap());
        let here = threads
            .iter()
            .filter(|&&id| id == thread::current().id())
            .count();
        // In the first poll of its yield point the context hands the resource out.
        assert_eq!(here, at.saturating_sub(1).min(4));
        census.assert_balanced(at);
    }
}

/// Notes on which thread it is dropped.
struct Homely<'a>(&'a Cell<Option<ThreadId>>);
impl Drop for Homely<'_> {
    fn drop(&mut self) {
        self.0.set(Some(thread::current().id()));
    }
}

#[test]
fn a_local_body_panics_before_it_is_touched() {
    let _quiet = quiet();
    for at in 0..4 {
        let census = Census::new();
        let (steps, dropped) = (Rc::new(Cell::new(0)), Cell::new(None));
        let with = elsewhere(&census, at).with_local(
            async |resource: &mut Counted| -> Result<(), BodyError> {
                let _local = Homely(&dropped);
                for _ in 0..10 {
                    steps.set(steps.get() + 1);
                    resource.touch();
                    yields(1).await;
                }
                Ok(())
            },
        );
        let run = catch_unwind(AssertUnwindSafe(|| block_on(with)));
        let text = message(&*run.unwrap_err()).to_owned();
        assert!(text.contains("`with_local`"), "{text}");
        assert_eq!(steps.get(), at.saturating_sub(1));
        if steps.get() > 0 {
            assert_eq!(
                dropped.get(),
                Some(thread::current().id()),
                "the body is dropped where it is at home"
            );
        }
        census.assert_balanced(at);
    }
}

/// Drops its yield point on another thread, in the middle of the body.
#[async_context(on_cancel = drop, wrapping)]
async fn dropped_elsewhere<'a>(census: &'a Census, log: &'a Log) -> Result<Counted, ContextError> {
    let resource = census.value("resource");
    let mut lend = Box::pin(async { yield_resource!(move resource).1.kind() });
    for _ in 0..3 {
        assert!(futures::poll!(lend.as_mut()).is_pending());
        yields(1).await;
    }
    assert!(futures::poll!(lend.as_mut()).is_pending());
    // In one poll with the driver's body.
    thread::scope(|scope| scope.spawn(move || drop(lend)).join()).unwrap();
    log.say("dropped");
    yields(1).await;
    Err(ContextError("ended"))
}

#[test]
fn the_yield_point_dropped_there() {
    let (census, log) = (Census::new(), Log::new());
    struct Said<'a>(&'a Log, Counted);
    impl Drop for Said<'_> {
        fn drop(&mut self) {
            self.1.touch();
            self.0.say("body");
        }
    }
    let with = dropped_elsewhere(&census, &log).with(
        async |resource: &mut Counted| -> Result<(), BodyError> {
            let _local = Said(&log, census.value("local of the body"));
            for _ in 0..10 {
                resource.touch();
                yields(1).await;
            }
            Ok(())
        },
    );
    assert_eq!(
        block_on(with),
        Err(BodyError::Context(ContextError("ended")))
    );
    assert_eq!(log.take(), ["body", "dropped"]);

    let dropped = Cell::new(None);
    let with = dropped_elsewhere(&census, &log).with_local(
        async |resource: &mut Counted| -> Result<(), BodyError> {
            let _local = Homely(&dropped);
            for _ in 0..10 {
                resource.touch();
                yields(1).await;
            }
            Ok(())
        },
    );
    assert_eq!(
        block_on(with),
        Err(BodyError::Context(ContextError("ended")))
    );
    assert_eq!(
        dropped.get(),
        Some(thread::current().id()),
        "a local body is never dropped by another thread"
    );
    census.assert_balanced("dropped elsewhere");
}

/// Block style with a future that moves between threads, though its body is checked as a local one.
#[test]
fn block_style_moves_between_threads() {
    let (log, census) = (Log::new(), Census::new());
    let both = async {
        contextlib::async_with!(
            first = context(log.clone(), census.clone()),
            second = context(log.clone(), census.clone()),
            async || -> Result<(), BodyError> {
                for _ in 0..3 {
                    mem::swap(first, second);
                    yields(1).await;
                    first.touch();
                }
                Ok(())
            }
        )
        .await
    };
    let mut both = Box::pin(both);
    loop {
        let polled = thread::scope(|scope| {
            let both = both.as_mut();
            scope.spawn(move || poll_once(both)).join().unwrap()
        });
        if let Poll::Ready(result) = polled {
            assert_eq!(result, Ok(()));
            break;
        }
    }
    assert_eq!(log.lines(), ["Completed", "Completed"]);
    census.assert_balanced("block style");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_swapped_dropped_and_exited_there() {
    let (log, census) = (Log::new(), Census::new());
    let mut a = context(log.clone(), census.clone()).enter().await.unwrap();
    let mut b = context(log.clone(), census.clone()).enter().await.unwrap();
    mem::swap(&mut *a, &mut *b);
    mem::swap(&mut a, &mut b);
    a.touch();
    let b = thread::spawn(move || {
        drop(a);
        b
    })
    .join()
    .unwrap();
    let result =
        tokio::spawn(async move { b.exit_with(Err::<(), _>(BodyError::Own("elsewhere"))).await })
            .await
            .unwrap();
    assert_eq!(result, Err(BodyError::Own("elsewhere")));
    background::drain().await;
    let mut lines = log.lines();
    lines.sort();
    assert_eq!(lines, ["Cancelled", "Failed(Own(\"elsewhere\"))"]);
    census.assert_balanced("guards");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_that_began_here_goes_on_there() {
    let (log, census) = (Log::new(), Census::new());
    let guard = context(log.clone(), census.clone()).enter().await.unwrap();
    let mut exit = Box::pin(guard.exit_with(Err::<(), _>(BodyError::Own("body"))));
    assert!(poll_once(exit.as_mut()).is_pending());
    let moved = thread::spawn(move || {
        assert!(poll_once(exit.as_mut()).is_pending());
        exit
    });
    drop(moved.join().unwrap());
    background::drain().await;
    assert_eq!(log.lines(), ["Failed(Own(\"body\"))"]);
    census.assert_balanced("an exit");
}
