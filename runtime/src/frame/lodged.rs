//! A frame in its box, behind what its rollback keeps there: what a policy takes over.

use super::{AsyncContext, Seed};
use crate::background::{Entered, RollbackState};
use std::{mem::MaybeUninit, pin::Pin};

/// A frame, and what a rollback of it keeps: neither is moved when it is handed on.
//
// In this order, so that a pointer to it is one to what is kept.
#[repr(C)]
pub(crate) struct Lodged<C, K = RollbackState> {
    pub(super) kept: K,
    pub(super) frame: C,
}

/// Room for what a rollback keeps: until there is one, that isn't written, nor read.
pub(crate) type Room = MaybeUninit<RollbackState>;

impl<C, K> Lodged<C, K> {
    #[inline]
    pub(super) fn parts(self: Pin<&mut Self>) -> (&mut K, Pin<&mut C>) {
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

    #[inline]
    pub(crate) fn frame_ref(&self) -> &C {
        &self.frame
    }
}

impl<C: AsyncContext> Lodged<C, Room> {
    #[inline]
    pub(crate) fn new(seed: Seed<C>) -> Pin<Box<Self>> {
        let mut lodged = Box::<Self>::new_uninit();
        // SAFETY: the place is the box's own, and all of it is written that has to be, where it is; if that unwinds, the box is freed as it was allocated,
        // without a content.
        unsafe {
            (&raw mut (*lodged.as_mut_ptr()).frame).write(seed.grow());
            Box::into_pin(lodged.assume_init())
        }
    }
}

impl<C: AsyncContext> Lodged<C> {
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
