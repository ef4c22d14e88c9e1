//! An entered context: its number, its lane, and where that was.

use super::{
    Stuck,
    below::Below,
    elsewhere::Elsewhere,
    heirs,
    lane::{self, InLane, Lane, Number},
    lane_range::LaneRange,
    outer, table,
    ticket::Around,
};
use crate::Definition;
use std::panic::Location;

/// What is known of a context from the moment it is entered.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    pub(crate) definition: Definition,
    pub(crate) at: &'static Location<'static>,
    pub(super) lane: Lane,
    /// The lane that this one is in, if it is some `with`'s: what is left of that is there.
    pub(super) root: Lane,
    pub(super) number: Number,
    pub(super) style: Style,
}

/// What is done with a context in the end.
//
// No closure: that would be compiled for each context.
#[must_use]
pub(crate) struct Finally<'a> {
    entered: &'a Entered,
    does: fn(&Entered),
}

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        (self.does)(self.entered);
    }
}

/// How a context was entered, which decides what is below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// With a guard: what its lane entered later is below it.
    Guard,
    /// Around a body: what the body and the context function entered is below it.
    Body,
}

/// The context of that number has a body, and was entered in this lane, which is some other context's.
fn note_around(number: Number, lane: Lane) {
    outer::note(number, lane);
    if table::any_pending() {
        table::note_inside(number, lane);
    }
}

impl Entered {
    /// A context that is being entered here.
    //
    // The definition is asked for last: set aside meanwhile, it would be read again in another width than it was written in, and wait for that.
    #[inline(always)]
    pub(crate) fn now(
        definition: impl FnOnce() -> Definition,
        at: &'static Location<'static>,
        style: Style,
    ) -> Self {
        let ((lane, root), number) = (Lane::current_in_root(), lane::next_number());
        if style == Style::Body && lane.owner().is_some() {
            note_around(number, lane);
        }
        Entered {
            definition: definition(),
            at,
            lane,
            root,
            number,
            style,
        }
    }

    /// What is said of it while its rollback is pending.
    #[inline]
    pub(crate) fn stuck(&self) -> Stuck {
        Stuck {
            definition: self.definition,
            entered: self.at,
        }
    }

    /// Its number. If that isn't greater than this one, it is made the last one that was entered.
    pub(crate) fn number_after(&mut self, other: Number) -> Number {
        if self.number <= other {
            self.number = lane::next_number();
        }
        self.number
    }

    /// The lane of what the body enters.
    #[inline]
    pub(crate) fn body_lane(&self) -> Lane {
        Lane::body(self.number)
    }

    /// The lane of what the context function enters: in closure style from its setup on, in guard style (where it uses its caller's) in a rollback.
    #[inline]
    pub(crate) fn frame_lane(&self) -> Lane {
        Lane::frame(self.number)
    }

    /// That, and the one beside it, for what has left it: in its rollback.
    #[inline]
    fn frame_lanes(&self) -> [Lane; 2] {
        let lane = self.frame_lane();
        [lane, lane.left()]
    }

    /// Makes the context function's lane the current one, outside of a rollback.
    #[inline]
    pub(crate) fn in_frame(&self) -> Option<InLane> {
        match self.style {
            Style::Guard => None,
            Style::Body => Some(self.frame_lane().enter()),
        }
    }

    /// The rollbacks started below this context so far.
    #[cold]
    pub(crate) fn below(&self) -> Below {
        let elsewhere = Elsewhere::awaited(self);
        self.below_until(lane::number_to_come(), elsewhere.as_ref())
    }

    /// The rollbacks started below this context until its teardown began, with `number` the next one to be entered.
    pub(super) fn below_until(&self, number: Number, elsewhere: Option<&Elsewhere>) -> Below {
        let after = self.number + 1;
        let until = elsewhere.map_or(number, |elsewhere| elsewhere.until.max(after).min(number));
        let left = LaneRange::new(self.root.left(), after..until);
        Below::in_lanes(match self.style {
            Style::Guard => {
                // A rollback has a lane of its own: in the one that its context was entered in, what has been entered since it began is around it. What was entered
                // in a rollback is in order among itself, and with what was entered in the same lane before; so is what a rollback was given by others.
                let around = elsewhere.and_then(|elsewhere| elsewhere.rollback);
                let own = LaneRange::new(self.lane, after..around.unwrap_or(number));
                // A future that one task has begun and another one ends.
                let there = elsewhere.map(|elsewhere| elsewhere.range_here(after..number));
                // Of what has left the lanes that were around it, it is known only that what the same task has entered since is below it.
                let has_left = elsewhere.is_some_and(|elsewhere| !elsewhere.is_native());
                let root = has_left.then(|| LaneRange::new(self.root, after..until));
                [Some(own), there, Some(left), root, None, None]
            }
            Style::Body => {
                let body = LaneRange::new(self.body_lane(), after..Number::MAX);
                let frame = LaneRange::new(self.frame_lane(), after..Number::MAX);
                // It was begun before the rollback that it is in, as a part of that.
                let root = elsewhere.map(|elsewhere| elsewhere.root);
                let other = root.filter(|root| *root != self.root);
                let left_there = other.map(|root| LaneRange::new(root.left(), after..number));
                [Some(body), Some(frame), Some(left), left_there, None, None]
            }
        })
    }

    /// The rollbacks that this context's function has started in its own lane.
    pub(crate) fn frame_ranges(&self) -> [LaneRange; 2] {
        let lanes = self.frame_lanes();
        lanes.map(|lane| LaneRange::new(lane, self.number + 1..Number::MAX))
    }

    /// Does this when what is returned is dropped: in any case, also when something panics before.
    #[inline]
    pub(crate) fn finally(&self, does: fn(&Entered)) -> Finally<'_> {
        Finally {
            entered: self,
            does,
        }
    }

    /// The context is over, maybe without having waited for what was started below it: whatever is around it does, in its own lane and in the one that it ends in.
    #[inline]
    pub(crate) fn leave_all(&self) {
        if table::any_pending() {
            self.leave_pending();
        }
    }

    /// Nothing is entered or dropped in its body any more: where that was needn't be known.
    pub(crate) fn forget_inside(&self) {
        table::forget_inside(self.number);
    }

    #[cold]
    fn leave_pending(&self) {
        if !table::end(self.number, self.own_lanes()) {
            return;
        }
        for lane in self.own_lanes() {
            heirs::leave_owned(lane, self.number, self.lane, self.root);
        }
    }

    /// The same, for whatever is around it in that lane.
    pub(super) fn leave_all_to(&self, around: Around) {
        for lane in self.own_lanes() {
            heirs::leave(lane, self.number, around);
        }
    }

    /// The lanes that end with it.
    fn own_lanes(&self) -> impl Iterator<Item = Lane> {
        let body = (self.style == Style::Body).then(|| self.body_lane());
        body.into_iter().chain(self.frame_lanes())
    }

    /// The context is over, with rollbacks pending that its function has started.
    #[inline]
    pub(crate) fn leave_frame_lane(&self) {
        let around = Around::Entered(self.lane);
        heirs::leave(self.frame_lane(), self.number, around);
    }

    /// Leaves what has been dropped inside of the context, but was entered before it, to whatever is around it in that lane.
    pub(super) fn leave_visitors_to(&self, around: Around) {
        for lane in self.own_lanes() {
            heirs::leave_visitors(lane, self.number, around);
        }
    }

    /// The context has dropped its body, whose rollbacks are now below whatever the context is inside of at its yield point.
    pub(crate) fn leave_body(&self) {
        if table::any_pending() {
            self.leave_body_in(Lane::current());
        }
    }

    /// The context's frame is going to be dropped: what that holds was around the body.
    pub(crate) fn leave_body_to_frame(&self) {
        if table::any_pending() {
            self.leave_body_in(self.frame_lane());
        }
    }

    #[cold]
    fn leave_body_in(&self, around: Lane) {
        heirs::leave_body(self.body_lane(), self.number, Around::Entered(around));
    }
}
