//! The memory of a frame's box, for what isn't compiled for each context.

use super::lodged::Place;
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    mem,
    ptr::NonNull,
};

/// Memory that was allocated with this layout. Its drop frees it, and drops nothing that is there.
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
        // SAFETY: the size isn't zero, as has just been looked up.
        match NonNull::new(unsafe { alloc(layout) }.cast()) {
            Some(place) => Allocated { place, layout },
            None => handle_alloc_error(layout),
        }
    }

    #[inline]
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Leaves it to the caller to free it.
    #[inline]
    pub(super) fn leak(self) {
        mem::forget(self);
    }

    /// The same place again.
    ///
    /// # Safety
    /// It was leaked with this layout, or is that of a box of what has it, and nobody else frees it.
    #[inline]
    pub(super) unsafe fn again(place: Place, layout: Layout) -> Self {
        Allocated { place, layout }
    }
}

impl Drop for Allocated {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and is owned by this.
        unsafe { dealloc(self.place.as_ptr().cast(), self.layout) };
    }
}
