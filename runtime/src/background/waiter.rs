//! Waiting until nothing is pending of what is asked for.

use super::{
    lane::Number,
    lane_range::LaneRange,
    table::{Address, Table, table},
};
use crate::cold::drop_waker;
use std::task::{Context, Poll, Waker};

/// Waits for rollbacks: where its waker is in the table, while it is there.
//
// One word: it moves with rollbacks, most of which never wait.
#[derive(Default, Debug)]
pub(crate) struct Waiter(Option<Box<Address>>);

impl Waiter {
    /// Waits until nothing is pending in these ranges of what was entered after `floor`.
    pub(crate) fn poll(
        &mut self,
        ranges: &[Option<LaneRange>],
        cx: &mut Context<'_>,
        floor: Number,
    ) -> Poll<()> {
        let mut table = table();
        if table.is_any_blocked(ranges, floor) {
            drop(table);
            return self.wait(ranges, cx, floor);
        }
        let waker = self.leave(&mut table);
        drop(table);
        drop_waker(waker);
        Poll::Ready(())
    }

    /// [`poll`](Waiter::poll), where something was pending a moment ago.
    #[cold]
    fn wait(
        &mut self,
        ranges: &[Option<LaneRange>],
        cx: &mut Context<'_>,
        floor: Number,
    ) -> Poll<()> {
        // Outside of the lock: a waker's `clone` is code of the user's.
        let mut waker = Some(cx.waker().clone());
        let mut table = table();
        let old = self.leave(&mut table);
        let parked = table.park(ranges, floor, &mut waker);
        drop(table);
        self.0 = parked.map(Box::new);
        drop_waker(old);
        drop_waker(waker);
        match self.0 {
            Some(_) => Poll::Pending,
            // It ended between the two looks.
            None => Poll::Ready(()),
        }
    }

    /// Takes its waker out of the table, for the caller to drop once the lock is free.
    fn leave(&mut self, table: &mut Table) -> Option<Waker> {
        let at = self.0.take()?;
        let in_lane = table.lanes(at.visits).get_mut(at.lane)?;
        in_lane.forget(&at.place).map(|parked| parked.waker)
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            let mut table = table();
            let waker = self.leave(&mut table);
            drop(table);
            drop_waker(waker);
        }
    }
}
