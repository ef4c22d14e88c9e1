//! Wakers that are called once no lock is held.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// Those whom the end of a rollback wakes: mostly nobody, or one.
#[derive(Default)]
pub(super) struct Wakers {
    one: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    #[inline]
    pub(super) fn push(&mut self, waker: Waker) {
        if self.one.is_none() {
            self.one = Some(waker);
        } else {
            self.more.push(waker);
        }
    }

    /// Wakes them, without a lock held. A waker that panics keeps nobody else waiting.
    //
    // By reference: moved, they would be copied in another width than they were written in, and wait for that.
    #[inline]
    pub(super) fn wake(&mut self) {
        if self.one.is_some() || !self.more.is_empty() {
            self.wake_all();
        }
    }

    #[inline(never)]
    fn wake_all(&mut self) {
        for waker in self.one.take().into_iter().chain(self.more.drain(..)) {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                crate::report::discard(payload);
            }
        }
    }
}
