//! The tasks that a scenario leaves behind.

use super::run::FOREVER;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify, task::yield_now, time::timeout};

/// More turns of the runtime, and more timers, than any task takes that ends at all. It is also more than the stops that the clock makes on its way to [`FOREVER`].
pub(super) const MANY: usize = 200;

/// A runtime that has something to do for so long is taken to be busy for ever. This is real time: the virtual clock stands still while a runtime is busy.
const BUSY: Duration = Duration::from_secs(1);

/// How often the runtime of a run was idle, and whether that was too often for its tasks to be waited for any longer.
pub(super) struct Idle {
    /// At most [`MANY`] while tasks are waited for, else more.
    times: AtomicUsize,
    enough: Notify,
}

impl Idle {
    pub(super) fn new() -> Self {
        Idle {
            times: AtomicUsize::new(MANY + 1),
            enough: Notify::new(),
        }
    }

    /// Nothing is ready: the clock is about to be set to the next timer.
    pub(super) fn again(&self) {
        if self.times.fetch_add(1, Relaxed) == MANY {
            self.enough.notify_one();
        }
    }

    /// Lets the runtime run until no task is alive, or until those that are will never end: they await nothing that comes, or a timer again and again, or are
    /// always ready.
    pub(super) async fn tasks_over(self: &Arc<Self>) {
        // First without the watching thread below: most tasks end at once.
        for _ in 0..MANY {
            if Handle::current().metrics().num_alive_tasks() == 0 {
                return;
            }
            yield_now().await;
        }
        self.times.store(0, Relaxed);
        let _watch = self.clone().watch();
        let _ = timeout(FOREVER, self.enough.notified()).await;
    }

    /// Starts a thread that says that it is enough when the runtime is never idle any more. It ends when the returned sender is dropped.
    fn watch(self: Arc<Self>) -> Sender<()> {
        let (stop, stopped) = channel();
        thread::spawn(move || {
            let mut times = self.times.load(Relaxed);
            while stopped.recv_timeout(BUSY) == Err(RecvTimeoutError::Timeout) {
                let before = std::mem::replace(&mut times, self.times.load(Relaxed));
                if before == times {
                    return self.enough.notify_one();
                }
            }
        });
        stop
    }
}
