//! Driving a rollback on the thread that drops it.

mod crowd;
mod lookout;

use self::{
    crowd::InCrowd,
    lookout::{InVain, Lookout},
};
use crate::{background::RawRollback, frame::AnyFrame};
use std::{
    cell::Cell,
    mem,
    panic::catch_unwind,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Wake, Waker},
    time::Duration,
};
use tokio::{
    runtime::{Handle, Id},
    task,
};

/// After how long without a wake-up a rollback is suspected to wait in vain.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same for what a thread drops after it has waited in vain once, so that a thousand contexts don't keep a runtime from shutting down for a thousand seconds.
const IMPATIENCE: Duration = Duration::from_millis(10);

thread_local! {
    /// The runtime in whose shutdown this thread has waited in vain.
    static IN_VAIN: Cell<Option<Id>> = const { Cell::new(None) };
}

/// Drives a rollback on one of `runtime`'s threads, whose other work moves to another thread meanwhile.
pub(super) fn in_place(rollback: RawRollback<dyn AnyFrame + '_>, runtime: &Handle) {
    let Ok(crowd) = InCrowd::join(runtime.id()) else {
        return rollback.lose(InVain::NoThreadLeft.reason());
    };
    // Inside a `LocalSet`, `block_in_place` panics before it calls the closure. There is no other way to ask whether there is one.
    if catch_unwind(|| task::block_in_place(|| {})).is_err() {
        return rollback.lose("its policy is `block`, which can't work inside a `LocalSet`");
    }
    task::block_in_place(|| drive(rollback, runtime, crowd));
}

/// Drives a rollback on a thread that isn't one of `runtime`'s.
pub(super) fn from_outside(rollback: RawRollback<dyn AnyFrame + '_>, runtime: &Handle) {
    let _inside = runtime.enter();
    drive(rollback, runtime, InCrowd::outside(runtime.id()));
}

/// Drives a rollback to its end, on a thread whose current runtime is `runtime`. If that is shut down, or has no thread left to run on, the rollback is driven only
/// for as long as something wakes it.
//
// Not by tokio's `block_on`. In a shutdown, that may wait for ever: this thread may be the one that would turn the timer, or shut down the task that is waited for.
// And it panics where tokio drops a future that it has refused.
fn drive(mut rollback: RawRollback<dyn AnyFrame + '_>, runtime: &Handle, crowd: InCrowd) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    while Pin::new(&mut rollback).poll(&mut cx).is_pending() {
        let mut lookout = Lookout::new(runtime, &crowd);
        while !woken.wait(patience(runtime)) {
            if let Some(why) = lookout.look() {
                if why == InVain::ShutDown {
                    IN_VAIN.set(Some(runtime.id()));
                }
                return rollback.lose(why.reason());
            }
        }
    }
}

fn patience(runtime: &Handle) -> Duration {
    if IN_VAIN.get() == Some(runtime.id()) {
        IMPATIENCE
    } else {
        PATIENCE
    }
}

/// Whether a rollback was woken. Not `thread::park`: its token may be meant for an executor further up on this thread, which has polled what is dropped here.
#[derive(Default)]
struct Woken {
    woken: Mutex<bool>,
    change: Condvar,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a wake-up, at most as long as `patience`.
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
