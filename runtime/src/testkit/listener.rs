//! What a run hears of the contexts in it.

use super::Recorder;
use crate::report::{Failure, Report};
use std::cell::RefCell;

thread_local! {
    /// The recorder of this thread's run: a run has one thread, and a thread one run.
    static LISTENING: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// While this lives, teardowns that this thread's contexts lose are written into the record.
pub(super) struct Listener(());

impl Listener {
    pub(super) fn new(recorder: &Recorder) -> Self {
        LISTENING.set(Some(recorder.clone()));
        Listener(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENING.set(None);
    }
}

/// Writes down why a teardown didn't run: what it would have released is found to be held.
pub(crate) fn reported(report: &Report<'_>) {
    if matches!(report.failure, Failure::Lost(_)) {
        // An error: the thread is ending, and may report something all the same.
        let recorder = LISTENING.try_with(|recorder| recorder.borrow().clone());
        if let Ok(Some(recorder)) = recorder {
            recorder.note(report.to_string());
        }
    }
}
