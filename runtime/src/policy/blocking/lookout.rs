//! Finding out whether a runtime will ever do what a rollback waits for.

use super::crowd::InCrowd;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, task::JoinHandle};

/// After how long without anything run a runtime is taken to have no thread left.
const STANDSTILL: Duration = Duration::from_secs(4);

/// Why a runtime won't do what is waited for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum InVain {
    ShutDown,
    NoThreadLeft,
}

impl InVain {
    pub(super) fn reason(self) -> &'static str {
        match self {
            InVain::ShutDown => {
                "its runtime is being shut down, and nothing drives what it waits for any more"
            }
            InVain::NoThreadLeft => {
                "its policy is `block`, and more contexts block at once than its runtime has threads"
            }
        }
    }
}

/// Probes a runtime, at each [`look`](Lookout::look).
pub(super) struct Lookout<'a> {
    runtime: &'a Handle,
    crowd: &'a InCrowd,
    probe: Option<Probe>,
}

impl<'a> Lookout<'a> {
    pub(super) fn new(runtime: &'a Handle, crowd: &'a InCrowd) -> Self {
        Lookout {
            runtime,
            crowd,
            probe: None,
        }
    }

    pub(super) fn look(&mut self) -> Option<InVain> {
        let Some(sent) = Probe::send(self.runtime) else {
            return Some(InVain::ShutDown);
        };
        let probe = self.probe.get_or_insert(sent);
        if probe.is_answered() {
            self.probe = None;
            return None;
        }
        if probe.sent.elapsed() < STANDSTILL {
            return None;
        }
        let since = probe.sent;
        self.probe = None;
        self.crowd
            .gives_up(self.runtime, since)
            .then_some(InVain::NoThreadLeft)
    }
}

/// Something for a runtime to do: a task for its workers, and work for its pool of threads.
struct Probe {
    sent: Instant,
    work: [Option<JoinHandle<()>>; 2],
}

impl Probe {
    /// `None` if the runtime takes on no work any more.
    //
    // The work for the pool tells that earlier than a task, which is refused only once some worker has begun to shut down the others.
    fn send(runtime: &Handle) -> Option<Self> {
        let (sender, wait) = mpsc::channel::<()>();
        let work = AssertUnwindSafe(|| runtime.spawn_blocking(move || wait.recv().unwrap_or(())));
        // It panics if no further thread can be started.
        let work = catch_unwind(work).ok();
        if work.as_ref().is_some_and(JoinHandle::is_finished) {
            return None;
        }
        drop(sender);
        Some(Probe {
            sent: Instant::now(),
            work: [work, Some(runtime.spawn(async {}))],
        })
    }

    /// Whether the runtime has done any of it.
    fn is_answered(&self) -> bool {
        self.work.iter().flatten().any(JoinHandle::is_finished)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        for work in self.work.iter().flatten() {
            work.abort();
        }
    }
}
