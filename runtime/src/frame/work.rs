//! A future, in one place with what it is made from.

use crate::{cold::Clear, session::InPlace};
use std::{pin::Pin, ptr};

/// A future that is made when it is first polled, and dropped where it is.
pub(super) enum Work<F, Fut> {
    /// It hasn't been made.
    Init(F),
    Future(Fut),
    /// It is over; or it is being made.
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
        // SAFETY: structural pinning of the future, which is never moved: it is assigned to in place, once, and dropped in place. What it is made from
        // isn't pinned. A `Work` is `Unpin` only if the future is, and has no `Drop`.
        let this = unsafe { self.get_unchecked_mut() };
        if let Work::Init(init) = this {
            // SAFETY: what it is made from is moved out, and at once there is nothing any more that would have to be dropped, also if making it unwinds.
            let init = unsafe {
                let init = ptr::read(init);
                ptr::write(this, Work::Gone);
                init
            };
            let future = make(init);
            // SAFETY: there is nothing that would have to be dropped, as above.
            unsafe { ptr::write(this, Work::Future(future)) };
        }
    }

    // There is no way to ask by a shared reference: the future may borrow from itself.
    #[inline]
    pub(super) fn future(self: Pin<&mut Self>) -> Option<Pin<&mut Fut>> {
        // SAFETY: structural pinning of the future, as in `start`.
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
        // SAFETY: structural pinning, as in `start`: a future is dropped where it is.
        unsafe { *self.as_mut().get_unchecked_mut() = Work::Gone };
    }
}
