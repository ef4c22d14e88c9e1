//! Wakers that are called once no lock is held.

use crate::cold::{Seldom, wake};
use std::task::Waker;

/// The wakers of those who have waited for a rollback that is over: mostly none, or one.
pub(super) struct Wakers {
    one: Option<Waker>,
    /// Empty unless there is `one`.
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

    /// Wakes them. To be called without a lock held. A waker that panics keeps nobody else waiting.
    //
    // By reference: a move would copy them in another width than they were written in, and the copy would wait for the writes.
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
