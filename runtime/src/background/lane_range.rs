//! Waiting for what is pending in a lane.

use super::{
    lane::{Lane, Number, context_of},
    table::Table,
};
use std::{collections::BTreeSet, ops::Range};

/// What is waited for: rollbacks of contexts with one of these numbers that are pending in `lane`.
#[derive(Clone, Debug)]
pub(crate) struct LaneRange {
    pub(super) lane: Lane,
    pub(super) visitors: bool,
    /// A rollback's own lane: also what is pending where its context was before.
    past: Option<Lane>,
    /// Lanes around this one: also what was entered and is pending there.
    around: Option<Box<[Lane]>>,
    numbers: Range<Number>,
}

impl LaneRange {
    /// Natives and visitors.
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

    /// Those only that were entered in the lane.
    pub(crate) fn natives(lane: Lane, numbers: Range<Number>) -> Self {
        LaneRange {
            visitors: false,
            ..LaneRange::new(lane, numbers)
        }
    }

    /// And what is pending where a context was before its rollback, whose own lane `rollback` is. If that isn't one, it has no past.
    pub(super) fn and_past_of(mut self, rollback: Lane) -> Self {
        self.past = Some(rollback);
        self
    }

    /// And what was entered, and is pending, in these lanes around it.
    pub(super) fn and_around(mut self, around: Option<Box<[Lane]>>) -> Self {
        self.around = around;
        self
    }

    /// From this number on.
    pub(super) fn starting_with(mut self, number: Number) -> Self {
        self.numbers.start = number;
        self
    }

    pub(crate) fn is_in_lane_of(&self, other: &LaneRange) -> bool {
        self.lane == other.lane
    }

    /// The number up to which visitors aren't waited for.
    pub(super) fn other_visitors(&self) -> Number {
        match self.visitors {
            true => self.numbers.start - 1,
            false => Number::MAX,
        }
    }

    pub(super) fn numbers_above(&self, floor: Number) -> Range<Number> {
        self.numbers.start.max(floor + 1)..self.numbers.end
    }

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

    // By value: it need not be in memory unless it comes to this.
    #[cold]
    #[inline(never)]
    fn blocks_deeper(self, table: &Table, floor: Number) -> bool {
        table.may_any_be_inside() && self.blocks_anywhere(table, floor)
    }

    /// Where something is pending of what is waited for. What was entered up to `floor` isn't waited for itself, but looked into: what is inside of that may be later.
    pub(super) fn where_pending(&self, table: &Table, floor: Number) -> Option<LaneRange> {
        // Mostly it is here: nothing need be allocated then.
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

    /// What is inside of what of these was entered up to `floor`.
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

    /// The least of the numbers of which a rollback is pending.
    #[inline]
    pub(super) fn first_pending(&self, table: &Table, floor: Number) -> Option<Number> {
        table.first_in(self.lane, self.visitors, self.numbers_above(floor))
    }
}
