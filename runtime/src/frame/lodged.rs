//! A frame in its box, behind what its rollback keeps there: what a policy takes over.

use super::{AsyncContext, Seed};
use crate::background::{Entered, RollbackState};
use std::pin::Pin;

/// A frame, and what a rollback of it keeps: neither is moved when it is handed on.
//
// In this order, so that a pointer to it is one to what is kept.
#[repr(C)]
pub(crate) struct Lodged<C> {
    kept: RollbackState,
    pub(super) frame: C,
}

impl<C> Lodged<C> {
    #[inline]
    pub(crate) fn kept(&self) -> &RollbackState {
        &self.kept
    }

    #[inline]
    pub(crate) fn frame_ref(&self) -> &C {
        &self.frame
    }

    #[inline]
    pub(crate) fn parts(self: Pin<&mut Self>) -> (&mut RollbackState, Pin<&mut C>) {
        // SAFETY: structural pinning of the frame alone, which is never moved. A `Lodged` has no `Drop`, and is `Unpin` only if the frame is.
        unsafe {
            let this = self.get_unchecked_mut();
            (&mut this.kept, Pin::new_unchecked(&mut this.frame))
        }
    }

    #[inline]
    pub(crate) fn frame(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.parts().1
    }
}

impl<C: AsyncContext> Lodged<C> {
    #[inline]
    pub(crate) fn new(seed: Seed<C>, entered: Entered) -> Pin<Box<Self>> {
        let mut lodged = Box::<Self>::new_uninit();
        // SAFETY: the place is the box's own, and all of it is written; if that unwinds, the box is freed as it was allocated, without a content.
        unsafe {
            Self::write(lodged.as_mut_ptr(), seed, entered);
            Box::into_pin(lodged.assume_init())
        }
    }

    /// Writes all of it, field by field, so that nothing is moved twice. If making the frame unwinds, nothing has been written that has to be dropped.
    ///
    /// # Safety
    /// There is room for it at `place`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn write(place: *mut Self, seed: Seed<C>, entered: Entered) {
        // SAFETY: by this function's contract.
        unsafe {
            (&raw mut (*place).frame).write(seed.grow());
            (&raw mut (*place).kept).write(RollbackState::new(entered));
        }
    }
}
