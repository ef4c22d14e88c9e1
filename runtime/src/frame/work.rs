//! A future in one place with what it is made from.

use crate::{cold::Clear, session::InPlace};
use std::{pin::Pin, ptr};

/// A future that is made when it is first polled, and dropped where it is.
pub(super) enum Work<F, Fut> {
    /// The future hasn't been made.
    Init(F),
    Future(Fut),
    /// The future has been dropped, or is just being made.
    Gone,
}

impl<F, Fut> Work<F, Fut> {
    #[inline]
    pub(super) fn new(init: F) -> Self {
        Work::Init(init)
    }

    /// Makes the future, once.
    #[inline]
    pub(super) fn start(self: Pin<&mut Self>, make: impl FnOnce(F) -> Fut) {
        // SAFETY: the future is pinned structurally. It is written in place, once, is never moved, and is dropped in place; a `Work` has no `Drop`, and is `Unpin`
        // only if the future is. What the future is made from isn't pinned, and may move.
        let this = unsafe { self.get_unchecked_mut() };
        if let Work::Init(init) = this {
            // SAFETY: `init` is moved out, and at once overwritten without a drop. So it isn't dropped twice, also if `make` unwinds.
            let init = unsafe {
                let init = ptr::read(init);
                ptr::write(this, Work::Gone);
                init
            };
            let future = make(init);
            // SAFETY: what is overwritten is `Gone`, as written above: it has nothing to drop.
            unsafe { ptr::write(this, Work::Future(future)) };
        }
    }

    // No method takes a shared reference, which would count as a read of a future that may borrow from itself.
    #[inline]
    pub(super) fn future(self: Pin<&mut Self>) -> Option<Pin<&mut Fut>> {
        // SAFETY: the future is pinned structurally, as said in `start`.
        match unsafe { self.get_unchecked_mut() } {
            // SAFETY: as above.
            Work::Future(future) => Some(unsafe { Pin::new_unchecked(future) }),
            Work::Init(_) | Work::Gone => None,
        }
    }
}

impl<F, Fut: Future> InPlace for Pin<&mut Work<F, Fut>> {
    type Fut = Fut;

    #[inline]
    fn in_place(&mut self) -> Option<Pin<&mut Fut>> {
        self.as_mut().future()
    }
}

impl<F, Fut> Clear for Pin<&mut Work<F, Fut>> {
    #[inline]
    fn clear(&mut self) {
        // SAFETY: the future is pinned structurally, as said in `start`. An assignment drops it where it is.
        unsafe { *self.as_mut().get_unchecked_mut() = Work::Gone };
    }
}
