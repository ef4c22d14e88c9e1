//! A frame in its box, behind room for what its rollback keeps there: what a policy takes over.

use super::{AsyncContext, Held, Seed, heap::Allocated};
use crate::background::{Entered, RollbackState};
use std::{
    alloc::Layout,
    marker::PhantomData,
    mem::{self, MaybeUninit},
    pin::Pin,
    ptr::{self, NonNull},
};

/// A frame, and what a rollback of it keeps: neither is moved when it is handed on.
//
// In this order, so that a pointer to it is one to what is kept.
#[repr(C)]
pub(super) struct Lodged<C> {
    /// Until there is a rollback, or a guard, that isn't written, nor read.
    pub(super) kept: MaybeUninit<RollbackState>,
    pub(super) frame: C,
}

/// Puts a frame there.
///
/// # Safety
/// There is room for a [`Lodged<C>`] there, or for what begins with one, and no frame.
#[inline]
pub(super) unsafe fn lodge<C: AsyncContext>(seed: Seed<C>, place: Place) {
    let lodged = place.as_ptr() as *mut Lodged<C>;
    // SAFETY: by this function's contract. The frame is written where it is.
    unsafe { (&raw mut (*lodged).frame).write(seed.grow()) };
}

/// Owns a frame in a box that has room for what a rollback keeps.
//
// By a pointer, and not as a box: what std does with that is compiled for each context in a dozen of functions.
pub(crate) struct Lodging<C> {
    place: Place,
    _owns: PhantomData<C>,
}

/// Where a [`Lodged`] is, or what begins with one. It has room for a [`RollbackState`] at its beginning.
pub(super) type Place = NonNull<RollbackState>;

// SAFETY: it owns a frame, and memory.
unsafe impl<C: Send> Send for Lodging<C> {}
// SAFETY: with a shared one nothing can be done.
unsafe impl<C: Sync> Sync for Lodging<C> {}

// The frame is pinned in the box.
impl<C> Unpin for Lodging<C> {}

impl<C: AsyncContext> Lodging<C> {
    pub(crate) fn new(seed: Seed<C>) -> Self {
        let allocated = Allocated::new(Layout::new::<Lodged<C>>());
        let place = allocated.place();
        // SAFETY: that is the layout of what a frame is in; if making it unwinds, the memory is freed, without a content.
        unsafe { lodge(seed, place) };
        allocated.leak();
        Lodging {
            place,
            _owns: PhantomData,
        }
    }

    /// Keeps what is known of its context beside it, for a rollback.
    pub(crate) fn into_held(self, entered: Entered) -> Held<C> {
        let place = self.place;
        mem::forget(self);
        // SAFETY: there is room for it. The box is given up, with all of it written.
        unsafe {
            place.write(RollbackState::new(entered));
            Held::new::<Lodged<C>>(place)
        }
    }
}

impl<C> Lodging<C> {
    #[inline]
    fn lodged(&self) -> *mut Lodged<C> {
        self.place.as_ptr() as *mut _
    }

    #[inline]
    pub(crate) fn frame(&mut self) -> Pin<&mut C> {
        // SAFETY: the frame is there, is never moved, and this is its owner, which is borrowed.
        unsafe { Pin::new_unchecked(&mut (*self.lodged()).frame) }
    }
}

impl<C> Drop for Lodging<C> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: the frame is there, and this is the last that is done with it, where it is; the memory is freed also if that unwinds.
        unsafe {
            let _emptied = Allocated::again(self.place, Layout::new::<Lodged<C>>());
            ptr::drop_in_place(&raw mut (*self.lodged()).frame);
        }
    }
}
