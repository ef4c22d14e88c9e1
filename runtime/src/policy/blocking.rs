//! A rollback that is driven by the thread that drops it.

use crate::{background::RawRollback, frame::AnyFrame};
use std::{
    cell::Cell,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use tokio::runtime::{Handle, Id};

/// How long a rollback isn't woken before this asks whether it ever will be.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same for what a thread drops after it has waited in vain: a thousand contexts don't keep a runtime from shutting down for a thousand seconds.
const IMPATIENCE: Duration = Duration::from_millis(10);

thread_local! {
    /// The runtime whose shutdown has made this thread lose a rollback.
    static IN_VAIN: Cell<Option<Id>> = const { Cell::new(None) };
}

/// Drives it to its end; where its runtime is shut down meanwhile, or has been, for as long as somebody wakes it.
//
// Each poll is inside of tokio's `block_on`. The waiting isn't, which in a shutdown may be for ever: this thread may be the one that would turn the timer, or
// shut down the task that is waited for.
pub(super) fn drive(mut rollback: RawRollback<dyn AnyFrame + '_>, runtime: &Handle) {
    let _inside = runtime.enter();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    while poll(&mut rollback, runtime, &waker).is_pending() {
        while !woken.wait(patience(runtime)) {
            if is_shut_down(runtime) {
                IN_VAIN.set(Some(runtime.id()));
                return rollback.lose(
                    "its runtime is being shut down, and nobody drives any more what it waits for",
                );
            }
        }
    }
}

fn poll(
    rollback: &mut RawRollback<dyn AnyFrame + '_>,
    runtime: &Handle,
    waker: &Waker,
) -> Poll<()> {
    let mut cx = Context::from_waker(waker);
    runtime.block_on(poll_fn(|_| {
        Poll::Ready(Pin::new(&mut *rollback).poll(&mut cx))
    }))
}

fn patience(runtime: &Handle) -> Duration {
    if IN_VAIN.get() == Some(runtime.id()) {
        IMPATIENCE
    } else {
        PATIENCE
    }
}

/// Whether it takes on no work any more.
//
// A task would be refused later than this: only once some worker has begun to shut down the others.
fn is_shut_down(runtime: &Handle) -> bool {
    let (done, wait) = mpsc::channel::<()>();
    let probe = AssertUnwindSafe(|| runtime.spawn_blocking(move || wait.recv()));
    // A panic: there are no threads to be had.
    let refused = catch_unwind(probe).is_ok_and(|probe| probe.is_finished());
    drop(done);
    refused
}

/// Whether a rollback was woken. Not with `thread::park`, whose token may be somebody else's, who has polled what is dropped here.
#[derive(Default)]
struct Woken {
    woken: Mutex<bool>,
    change: Condvar,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for that, for so long at the most.
    fn wait(&self, patience: Duration) -> bool {
        let waited = self
            .change
            .wait_timeout_while(self.lock(), patience, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *woken)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.lock() = true;
        self.change.notify_one();
    }
}
