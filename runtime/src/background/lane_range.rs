//! What a teardown waits for: a range of numbers in a lane.

use super::{
    lane::{Lane, Number, context_of},
    table::Table,
};
use std::{collections::BTreeSet, ops::Range};

/// The rollbacks of contexts with one of these numbers that are pending in `lane`, now or whenever it is asked.
#[derive(Clone, Debug)]
pub(crate) struct LaneRange {
    pub(super) lane: Lane,
    /// Whether visitors of the lane are among them, or only what was entered there.
    pub(super) visitors: bool,
    /// A rollback's lane: also those that are pending in the lanes where its context was before.
    past: Option<Lane>,
    /// Lanes around this one: also those that were entered there.
    around: Option<Box<[Lane]>>,
    numbers: Range<Number>,
}

impl LaneRange {
    /// Those that were entered in the lane, and its visitors.
    #[inline]
    pub(crate) fn new(lane: Lane, numbers: Range<Number>) -> Self {
        LaneRange {
            lane,
            visitors: true,
            past: None,
            around: None,
            numbers,
        }
    }

    /// Only those that were entered in the lane.
    pub(crate) fn natives(lane: Lane, numbers: Range<Number>) -> Self {
        LaneRange {
            visitors: false,
            ..LaneRange::new(lane, numbers)
        }
    }

    /// And those in the lanes where a context was before its rollback, whose lane is `rollback`. A lane that is no rollback's has no past.
    pub(super) fn and_past_of(mut self, rollback: Lane) -> Self {
        self.past = Some(rollback);
        self
    }

    /// And those that were entered in these lanes around this one.
    pub(super) fn and_around(mut self, around: Option<Box<[Lane]>>) -> Self {
        self.around = around;
        self
    }

    /// Only those from this number on.
    pub(super) fn starting_with(mut self, number: Number) -> Self {
        self.numbers.start = number;
        self
    }

    pub(crate) fn is_in_lane_of(&self, other: &LaneRange) -> bool {
        self.lane == other.lane
    }

    /// The number up to which visitors of the lane aren't among them.
    pub(super) fn other_visitors(&self) -> Number {
        match self.visitors {
            true => self.numbers.start - 1,
            false => Number::MAX,
        }
    }

    /// The numbers that are waited for themselves: see [`InRollback::floor`](super::InRollback::floor).
    pub(super) fn numbers_above(&self, floor: Number) -> Range<Number> {
        self.numbers.start.max(floor + 1)..self.numbers.end
    }

    /// Whether any of them is pending, and waited for: see [`where_pending`](LaneRange::where_pending).
    #[inline(always)]
    pub(super) fn is_blocked(&self, table: &Table, floor: Number) -> bool {
        if self.past.is_some() && table.knows_pasts() || self.around.is_some() {
            return self.clone().blocks_anywhere(table, floor);
        }
        if !table.has_any(self.lane.kind()) {
            return false;
        }
        self.first_pending(table, floor).is_some()
            || floor >= self.numbers.start && self.clone().blocks_deeper(table, floor)
    }

    #[cold]
    #[inline(never)]
    fn blocks_anywhere(self, table: &Table, floor: Number) -> bool {
        self.where_pending(table, floor).is_some()
    }

    // By value, so that in the usual case, which doesn't come to this, the caller's needn't be in memory.
    #[cold]
    #[inline(never)]
    fn blocks_deeper(self, table: &Table, floor: Number) -> bool {
        table.may_any_be_inside() && self.blocks_anywhere(table, floor)
    }

    /// Where one of them is pending. Those with numbers up to `floor` aren't waited for themselves, but looked into: what is inside them may have a higher one.
    pub(super) fn where_pending(&self, table: &Table, floor: Number) -> Option<LaneRange> {
        // Mostly it is in this very lane: then nothing need be allocated.
        if self.first_pending(table, floor).is_some() {
            return Some(self.clone());
        }
        let mut seen = BTreeSet::new();
        let mut to_see = vec![self.clone()];
        if let Some(rollback) = self.past {
            let pasts = table.pasts_of(rollback).cloned();
            to_see.extend(pasts.map(|past| past.starting_with(self.numbers.start)));
        }
        for lane in self.around.iter().flatten() {
            to_see.push(LaneRange::natives(*lane, self.numbers.clone()));
        }
        while let Some(range) = to_see.pop() {
            let Range { start, end } = range.numbers;
            if !seen.insert((range.lane, range.visitors, start, end)) {
                continue;
            }
            if range.first_pending(table, floor).is_some() {
                return Some(range);
            }
            range.add_deeper(table, floor, &mut to_see);
        }
        None
    }

    /// Adds what there may be inside those with numbers up to `floor`.
    fn add_deeper(&self, table: &Table, floor: Number, to_see: &mut Vec<LaneRange>) {
        let numbers = self.numbers.start..=floor.min(self.numbers.end - 1);
        if numbers.is_empty() {
            return;
        }
        let natives_and_visitors: &[bool] = match self.visitors {
            true => &[false, true],
            false => &[false],
        };
        for visits in natives_and_visitors {
            let heirs = table.heirs_in(self.lane, *visits, numbers.clone());
            to_see.extend(heirs.cloned());
            for number in table.numbers_in(self.lane, *visits, numbers.clone()) {
                let context = context_of(number);
                let frame = Lane::frame(context);
                let lanes = [Lane::body(context), frame, frame.left()];
                to_see.extend(lanes.map(|lane| LaneRange::new(lane, context + 1..Number::MAX)));
            }
        }
    }

    /// The least number that is pending in this very lane.
    #[inline]
    pub(super) fn first_pending(&self, table: &Table, floor: Number) -> Option<Number> {
        table.first_in(self.lane, self.visitors, self.numbers_above(floor))
    }
}
