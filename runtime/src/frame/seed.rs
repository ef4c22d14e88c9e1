//! What a frame is made from: a context that hasn't been entered.

use super::AsyncContext;
use crate::site::Definition;

/// A context before it is entered. It is smaller than its frame, which has room for the block and the resource, and is made in the place where it stays.
pub struct Seed<C: AsyncContext>(C::Seed);

// SAFETY: `AsyncContext` is sealed. In each of its implementations, a seed is some of the values that the frame owns, just as they are in the frame before its
// setup. So it is `Send` if the frame is. (The compiler can't see that of a frame behind an `impl AsyncContext + Send`.)
unsafe impl<C: AsyncContext + Send> Send for Seed<C> {}
// SAFETY: a shared seed shows only its definition and, of a timeout, the handle. These are `Sync` whatever the frame is.
unsafe impl<C: AsyncContext + Sync> Sync for Seed<C> {}

impl<C: AsyncContext> Seed<C> {
    pub(crate) fn new(seed: C::Seed) -> Self {
        Seed(seed)
    }

    #[inline]
    pub(crate) fn definition(&self) -> Definition {
        C::defined(&self.0)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn get(&self) -> &C::Seed {
        &self.0
    }

    #[inline]
    pub(crate) fn into_inner(self) -> C::Seed {
        self.0
    }

    /// The frame.
    #[inline]
    pub(crate) fn grow(self) -> C {
        C::grow(self.0)
    }
}

/// Implements [`AsyncContext`]'s part about seeds for a context that is its own seed.
macro_rules! is_its_own_seed {
    () => {
        type Seed = Self;

        fn grow(seed: Self) -> Self {
            seed
        }

        fn defined(seed: &Self) -> $crate::Definition {
            seed.definition
        }
    };
}
pub(crate) use is_its_own_seed;
