//! Whether the contexts that this thread drops belong together.

use super::Entered;
use std::cell::Cell;

thread_local! {
    static UNIT: Cell<bool> = const { Cell::new(false) };
}

/// While this lives, the contexts that the thread drops belong together: they are rolled back in order, also those that are visitors in the current lane.
#[must_use]
pub(crate) struct Unit(bool);

impl Unit {
    /// For these contexts. `None` if all were entered in one lane: then they are in order anyway.
    pub(crate) fn of(mut entered: impl Iterator<Item = Entered>) -> Option<Self> {
        let first = entered.next()?.lane;
        if entered.all(|entered| entered.lane == first) {
            return None;
        }
        Unit::begin()
    }

    /// `None` if the thread is ending.
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
