//! The rollbacks below a context, and waiting for these.

use super::{in_rollback::InRollback, lane::Number, lane_range::LaneRange, table, waiter::Waiter};
use std::task::{Context, Poll};

/// The rollbacks that were started below a context.
#[derive(Debug)]
pub(crate) struct Below([Option<LaneRange>; 6]);

impl Below {
    /// No rollbacks.
    pub(crate) fn none() -> Self {
        Below([const { None }; 6])
    }

    /// Those in these ranges.
    pub(super) fn in_lanes(ranges: [Option<LaneRange>; 6]) -> Self {
        Below(ranges)
    }

    /// Those in these ranges, of which there may be six.
    pub(crate) fn of(ranges: impl IntoIterator<Item = LaneRange>) -> Self {
        let mut below = Below::none();
        for (place, range) in below.0.iter_mut().zip(ranges) {
            *place = Some(range);
        }
        below
    }

    /// And those that the context's [function has started](super::Entered::frame_ranges). Nothing may be in the last two places yet.
    pub(super) fn and_frame(mut self, ranges: [LaneRange; 2]) -> Self {
        let [.., first, second] = &mut self.0;
        [*first, *second] = ranges.map(Some);
        self
    }

    pub(super) fn ranges(&self) -> &[Option<LaneRange>] {
        &self.0
    }

    pub(super) fn is_any_pending(&self, floor: Number) -> bool {
        table::are_blocked(&self.0, floor)
    }
}

/// Waits for the rollbacks that were started below a context.
#[derive(Debug)]
pub(crate) struct Waiting {
    below: Below,
    waiter: Waiter,
}

impl From<Below> for Waiting {
    fn from(below: Below) -> Self {
        Waiting {
            below,
            waiter: Waiter::default(),
        }
    }
}

impl Waiting {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_above(cx, InRollback::floor())
    }

    pub(super) fn poll_above(&mut self, cx: &mut Context<'_>, floor: Number) -> Poll<()> {
        self.waiter.poll(&self.below.0, cx, floor)
    }
}
