//! The yield point in `FuturesUnordered`, `select!` and `join!`, the whole polled with another waker at every other poll; nothing may get stuck.

use contextlib::{async_context, yield_resource};
use contextlib_tests::{BodyError, Census, ContextError, Counted, Log, yields};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

#[derive(Clone, Copy, Debug)]
enum How {
    Direct,
    Unordered,
    NestedUnordered,
    Select,
    Join,
    Boxed,
}

const ALL: [How; 6] = [
    How::Direct,
    How::Unordered,
    How::NestedUnordered,
    How::Select,
    How::Join,
    How::Boxed,
];

#[async_context(on_cancel = drop)]
async fn context<'a>(how: How, log: &'a Log, census: &'a Census) -> Result<Counted, ContextError> {
    let resource = census.value("resource");
    let yields_it = async {
        let (resource, exit) = yield_resource!(move resource);
        resource.touch();
        log.say(format!("{exit:?}"));
    };
    match how {
        How::Direct => yields_it.await,
        How::Unordered => {
            let mut all = FuturesUnordered::from_iter([yields_it.boxed(), yields(2).boxed()]);
            while all.next().await.is_some() {}
        }
        How::NestedUnordered => {
            let inner = async {
                let mut all = FuturesUnordered::from_iter([
                    yields(1).boxed(),
                    yields_it.boxed(),
                    yields(3).boxed(),
                ]);
                while all.next().await.is_some() {}
            };
            let mut all = FuturesUnordered::from_iter([inner.boxed()]);
            while all.next().await.is_some() {}
        }
        How::Select => {
            tokio::select! {
                () = yields_it => {}
                () = std::future::pending() => {}
            }
        }
        How::Join => {
            futures::join!(yields_it, yields(2));
        }
        How::Boxed => Box::pin(yields_it).await,
    }
    Ok(())
}

/// Ready when it has been polled so often, woken meanwhile by `wake_by_ref` of each poll's waker.
async fn body(log: &Log, resource: &mut Counted, polls: usize) -> Result<usize, BodyError> {
    for _ in 0..polls {
        yields(1).await;
        resource.touch();
    }
    log.say("body");
    Ok(polls)
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);
impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls `future`, only when its last waker has been woken, with a waker that is chosen by the poll's number.
fn drive<F: Future>(future: F, wakers: &[Arc<Woken>]) -> F::Output {
    let mut future = pin!(future);
    for poll in 0..1000 {
        let woken = &wakers[poll % wakers.len()];
        woken.0.store(0, Ordering::Relaxed);
        if let Poll::Ready(output) = future
            .as_mut()
            .poll(&mut Context::from_waker(&Waker::from(woken.clone())))
        {
            return output;
        }
        assert!(
            woken.0.load(Ordering::Relaxed) > 0,
            "poll {poll}: it waits, and nobody has woken it"
        );
    }
    panic!("it never ends");
}

#[test]
fn with_one_waker_two_or_a_new_one_at_every_poll() {
    for how in ALL {
        for wakers in [1, 2, 3, 1000] {
            let wakers = Vec::from_iter((0..wakers).map(|_| Arc::<Woken>::default()));
            for polls in 0..5 {
                let (log, census) = (Log::new(), Census::new());
                let with = context(how, &log, &census)
                    .with(async |resource| body(&log, resource, polls).await);
                assert_eq!(drive(with, &wakers), Ok(polls), "{how:?}");
                assert_eq!(log.lines(), ["body", "Completed"], "{how:?}");
                census.assert_balanced(format!("{how:?}"));
            }
        }
    }
}

#[test]
fn with_a_body_that_another_thread_wakes() {
    for how in ALL {
        let (log, census) = (Log::new(), Census::new());
        let with = context(how, &log, &census).with(
            async |resource: &mut Counted| -> Result<(), BodyError> {
                for _ in 0..3 {
                    let mut asked = false;
                    poll_fn(|cx| {
                        if asked {
                            return Poll::Ready(());
                        }
                        asked = true;
                        let waker = cx.waker().clone();
                        std::thread::spawn(move || waker.wake());
                        Poll::Pending
                    })
                    .await;
                    resource.touch();
                }
                Ok(())
            },
        );
        let run = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(with);
        assert_eq!(run, Ok(()), "{how:?}");
        census.assert_balanced(format!("{how:?}"));
    }
}

/// A context inside a context, each with its own combinator.
#[test]
fn one_in_the_other() {
    let wakers = Vec::from_iter((0..2).map(|_| Arc::<Woken>::default()));
    for outer in ALL {
        for inner in ALL {
            let (log, census) = (Log::new(), Census::new());
            let with = context(outer, &log, &census).with(async |outer: &mut Counted| {
                let inner = context(inner, &log, &census).with(async |inner: &mut Counted| {
                    std::mem::swap(outer, inner);
                    body(&log, inner, 3).await
                });
                inner.await
            });
            assert_eq!(drive(with, &wakers), Ok(3), "{outer:?} {inner:?}");
            assert_eq!(log.lines(), ["body", "Completed", "Completed"]);
            census.assert_balanced(format!("{outer:?} {inner:?}"));
        }
    }
}
