//! What is seldom done, in one function for all that do it: `catch_unwind` makes five for each closure, in the crate of whoever uses a context.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    thread,
};

/// [`catch_unwind`] where nothing is in a hurry. Runs `run` once.
#[cold]
#[inline(never)]
pub(crate) fn catch(run: &mut dyn FnMut()) -> thread::Result<()> {
    catch_unwind(AssertUnwindSafe(run))
}

/// A place whose content can be dropped.
pub(crate) trait Clear {
    fn clear(&mut self);
}

impl<T> Clear for Pin<&mut Option<T>> {
    fn clear(&mut self) {
        self.set(None);
    }
}

/// Drops what is there, and catches its panic.
pub(crate) fn clear(place: &mut dyn Clear) -> thread::Result<()> {
    catch(&mut || place.clear())
}
