//! The memory of a frame's box: its code isn't compiled for each context.

use super::lodged::Place;
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    mem,
    ptr::NonNull,
};

/// Owns memory that was allocated with this layout. Its drop frees the memory, and drops nothing in it.
pub(super) struct Allocated {
    place: Place,
    layout: Layout,
}

impl Allocated {
    /// # Panics
    /// If the layout has no size.
    #[inline]
    pub(super) fn new(layout: Layout) -> Self {
        assert_ne!(layout.size(), 0, "a frame's box has room for a rollback");
        // SAFETY: the size isn't zero, as just asserted.
        match NonNull::new(unsafe { alloc(layout) }.cast()) {
            Some(place) => Allocated { place, layout },
            None => handle_alloc_error(layout),
        }
    }

    #[inline]
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Leaves it to the caller to free the memory.
    #[inline]
    pub(super) fn leak(self) {
        mem::forget(self);
    }

    /// Owns the memory of this place again.
    ///
    /// # Safety
    /// It was [leaked](Allocated::leak) with this layout, or comes from a box of a type with this layout, and nobody else frees it.
    #[inline]
    pub(super) unsafe fn again(place: Place, layout: Layout) -> Self {
        Allocated { place, layout }
    }
}

impl Drop for Allocated {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this owns the memory, which was allocated with this layout.
        unsafe { dealloc(self.place.as_ptr().cast(), self.layout) };
    }
}
