//! Wakers that are called once no lock is held.

use crate::cold::{Seldom, wake};
use std::task::Waker;

/// Those whom the end of a rollback wakes: mostly nobody, or one.
pub(super) struct Wakers {
    one: Option<Waker>,
    /// If there is one.
    more: Seldom<Vec<Waker>>,
}

impl Wakers {
    #[inline]
    pub(super) fn none() -> Self {
        Wakers {
            one: None,
            more: Seldom::none(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, waker: Waker) {
        if self.one.is_none() {
            self.one = Some(waker);
        } else {
            self.more.get_or_default().push(waker);
        }
    }

    /// Wakes them, without a lock held. A waker that panics keeps nobody else waiting.
    //
    // By reference: moved, they would be copied in another width than they were written in, and wait for that.
    #[inline]
    pub(super) fn wake(&mut self) {
        if self.one.is_some() {
            self.wake_all();
        }
    }

    #[inline(never)]
    fn wake_all(&mut self) {
        let more = self.more.take().into_iter().flat_map(|more| *more);
        for waker in self.one.take().into_iter().chain(more) {
            wake(waker);
        }
    }
}
