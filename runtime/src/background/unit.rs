//! Whether what this thread drops belongs together.

use super::Entered;
use std::cell::Cell;

thread_local! {
    static UNIT: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, what this thread drops belongs together, and is in order, also what visits another lane.
#[must_use]
pub(crate) struct Unit(bool);

impl Unit {
    /// For contexts that were entered in these lanes. Nothing need be said where they are one and the same: there they are in order anyway.
    pub(crate) fn of(mut entered: impl Iterator<Item = Entered>) -> Option<Self> {
        let first = entered.next()?.lane;
        if entered.all(|entered| entered.lane == first) {
            return None;
        }
        Unit::begin()
    }

    /// None: the thread is ending.
    pub(crate) fn begin() -> Option<Self> {
        UNIT.try_with(|unit| Unit(unit.replace(true))).ok()
    }

    pub(super) fn is_dropped() -> bool {
        UNIT.try_with(Cell::get).unwrap_or(false)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // An error: the thread is ending.
        let _ = UNIT.try_with(|unit| unit.set(self.0));
    }
}
