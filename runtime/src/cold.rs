//! What is seldom done, in one function for all that do it: `catch_unwind` makes five for each closure, in the crate of whoever uses a context.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

/// [`catch_unwind`] where nothing is in a hurry. Runs `run` once.
#[cold]
#[inline(never)]
pub(crate) fn catch(run: &mut dyn FnMut()) -> thread::Result<()> {
    catch_unwind(AssertUnwindSafe(run))
}
