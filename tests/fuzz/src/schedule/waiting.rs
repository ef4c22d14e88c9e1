//! What the contexts and their callers wait for, and how.

use super::{
    lock,
    world::{Failure, Gate, World},
};
use futures::{FutureExt, future::join};
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, resume_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

/// Suspends once, until its gate is opened; other wakes don't count.
pub(super) async fn pause(world: &World) {
    struct Leave<'w>(&'w World, usize);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            let mut gates = lock(&self.0.gates);
            let gate = gates
                .iter()
                .position(|gate| gate.number == self.1)
                .map(|at| gates.remove(at));
            drop(gates);
            drop(gate);
        }
    }

    let number = world.next_gate.fetch_add(1, Ordering::SeqCst);
    lock(&world.gates).push(Gate {
        number,
        open: false,
        waker: None,
    });
    let _leave = Leave(world, number);
    poll_fn(|cx| {
        let mut gates = lock(&world.gates);
        let Some(gate) = gates.iter_mut().find(|gate| gate.number == number) else {
            return Poll::Ready(());
        };
        if gate.open {
            return Poll::Ready(());
        }
        let old = gate.waker.replace(cx.waker().clone());
        drop(gates);
        drop(old);
        Poll::Pending
    })
    .await;
}

/// A future inside a combinator that has a waker of its own, and polls only after that was woken.
pub(super) async fn only_when_woken<F: Future>(future: F) -> F::Output {
    struct Own {
        woken: AtomicBool,
        outer: Mutex<Option<Waker>>,
    }
    impl Wake for Own {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::SeqCst);
            let outer = lock(&self.outer).clone();
            if let Some(outer) = outer {
                outer.wake();
            }
        }
    }

    let own = Arc::new(Own {
        woken: AtomicBool::new(true),
        outer: Mutex::default(),
    });
    let waker = Waker::from(own.clone());
    let mut future = pin!(future);
    poll_fn(|cx| {
        let old = lock(&own.outer).replace(cx.waker().clone());
        drop(old);
        if !own.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

/// `None` if `limit` is ready first.
pub(super) async fn unless<F: Future>(
    limit: impl Future<Output = ()>,
    future: F,
) -> Option<F::Output> {
    let (mut limit, mut future) = (pin!(limit), pin!(future));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Runs two until both are over, whatever they come to.
pub(super) async fn both<F>(one: F, other: F) -> F::Output
where
    F: Future<Output = Result<(), Failure>>,
{
    let one = AssertUnwindSafe(one).catch_unwind();
    let other = AssertUnwindSafe(other).catch_unwind();
    let (one, other) = join(one, other).await;
    let come = |ended: thread::Result<_>| ended.unwrap_or_else(|payload| resume_unwind(payload));
    come(one).and(come(other))
}
