//! A frame in a box, behind room for the state of its rollback: what a policy takes over.

use super::{AsyncContext, Held, Seed, heap::Allocated};
use crate::background::{Entered, RollbackState};
use std::{
    alloc::Layout,
    marker::PhantomData,
    mem::{self, MaybeUninit},
    pin::Pin,
    ptr::{self, NonNull},
};

/// A frame, and the state of its rollback. Neither is moved when the frame is handed on.
//
// `repr(C)`, so that a pointer to it is one to the state.
#[repr(C)]
pub(super) struct Lodged<C> {
    /// Written when there is a rollback or a guard, and not read before.
    pub(super) kept: MaybeUninit<RollbackState>,
    pub(super) frame: C,
}

/// Puts a frame into a place.
///
/// # Safety
/// At the place is room for a [`Lodged<C>`], or for something that begins with one, and no frame yet.
#[inline]
pub(super) unsafe fn lodge<C: AsyncContext>(seed: Seed<C>, place: Place) {
    let lodged = place.as_ptr() as *mut Lodged<C>;
    // SAFETY: by this function's contract, the field is valid for a write, and nothing is overwritten that would have to be dropped.
    unsafe { (&raw mut (*lodged).frame).write(seed.grow()) };
}

/// Owns a frame in a box that has room for the state of a rollback.
//
// A pointer, and not a `Box`, for which std has a dozen functions that would be compiled for each context.
pub(crate) struct Lodging<C> {
    place: Place,
    _owns: PhantomData<C>,
}

/// Where a [`Lodged`] is, or something that begins with one. At its beginning is room for a [`RollbackState`].
pub(super) type Place = NonNull<RollbackState>;

// SAFETY: it owns a frame, and memory.
unsafe impl<C: Send> Send for Lodging<C> {}
// SAFETY: as above, for `Sync`. (Besides, a shared one has no methods but a private one that gives a raw pointer.)
unsafe impl<C: Sync> Sync for Lodging<C> {}

// The frame is pinned in the box.
impl<C> Unpin for Lodging<C> {}

impl<C: AsyncContext> Lodging<C> {
    pub(crate) fn new(seed: Seed<C>) -> Self {
        let allocated = Allocated::new(Layout::new::<Lodged<C>>());
        let place = allocated.place();
        // SAFETY: the memory has the layout of a `Lodged<C>`, and nothing in it. (If this unwinds, the memory is freed with nothing in it.)
        unsafe { lodge(seed, place) };
        allocated.leak();
        Lodging {
            place,
            _owns: PhantomData,
        }
    }

    /// Hands the frame on to a rollback, with the state that the rollback begins with.
    pub(crate) fn into_held(self, entered: Entered) -> Held<C> {
        let place = self.place;
        mem::forget(self);
        // SAFETY: the place has room for the state, which isn't written yet. The box is given up, with all of it written and nothing beside.
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
        // SAFETY: the frame is there and is never moved, and this, its owner, is borrowed exclusively.
        unsafe { Pin::new_unchecked(&mut (*self.lodged()).frame) }
    }
}

impl<C> Drop for Lodging<C> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: this owns the box, and does nothing with it afterwards. The frame is dropped where it is; then the memory is freed, also if that unwinds. The
        // state was never written: `into_held`, which writes it, forgets this.
        unsafe {
            let _emptied = Allocated::again(self.place, Layout::new::<Lodged<C>>());
            ptr::drop_in_place(&raw mut (*self.lodged()).frame);
        }
    }
}
