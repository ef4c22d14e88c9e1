//! A rollback that is driven by the thread that drops it.

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

/// How long a rollback isn't woken before this asks whether it ever will be.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same for what a thread drops after it has waited in vain: a thousand contexts don't keep a runtime from shutting down for a thousand seconds.
const IMPATIENCE: Duration = Duration::from_millis(10);

thread_local! {
    /// The runtime whose shutdown has made this thread lose a rollback.
    static IN_VAIN: Cell<Option<Id>> = const { Cell::new(None) };
}

/// Drives it on a thread of `runtime`'s, whose other work moves to another one meanwhile.
pub(super) fn in_place(rollback: RawRollback<dyn AnyFrame + '_>, runtime: &Handle) {
    let Ok(crowd) = InCrowd::join(runtime.id()) else {
        return rollback.lose(InVain::NoThreadLeft.reason());
    };
    // There is no way to ask for a `LocalSet`, inside which `block_in_place` panics before it calls the closure.
    if catch_unwind(|| task::block_in_place(|| {})).is_err() {
        return rollback.lose("its policy is `block`, which can't work inside a `LocalSet`");
    }
    task::block_in_place(|| drive(rollback, runtime, crowd));
}

/// Drives it on a thread that isn't one of `runtime`'s.
pub(super) fn from_outside(rollback: RawRollback<dyn AnyFrame + '_>, runtime: &Handle) {
    let _inside = runtime.enter();
    drive(rollback, runtime, InCrowd::outside(runtime.id()));
}

/// Drives it to its end, on a thread whose current runtime is that one; where that is shut down meanwhile, or has been, or has no thread left to run on, for as long as somebody
/// wakes it.
//
// Not by tokio's `block_on`, which in a shutdown may wait for ever, since this thread may be the one that would turn the timer, or shut down the task that is waited for; and which
// panics where tokio drops a future that it has refused.
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
