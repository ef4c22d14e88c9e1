//! An entered context: its number, its lane, and where it was entered.

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
    /// The lane around all the `with`s that `lane` is in: `lane` itself where it is no `with`'s.
    pub(super) root: Lane,
    pub(super) number: Number,
    pub(super) style: Style,
}

/// What is done with a context in the end: see [`Entered::finally`].
//
// A function pointer and no closure, which would be compiled for each context.
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
    /// With a guard: what is entered later in its lane is below it.
    Guard,
    /// Around a body: what the body and the context function enter is below it.
    Body,
}

/// The `with` of this number was entered in this lane, another context's own.
fn note_around(number: Number, lane: Lane) {
    outer::note(number, lane);
    if table::any_pending() {
        table::note_inside(number, lane);
    }
}

impl Entered {
    /// A context that is being entered here.
    //
    // The definition is asked for last. If it were set aside meanwhile, it would be read again in another width than it was written in, and the read would wait
    // for the writes.
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

    /// What is said of the context while its rollback is pending.
    #[inline]
    pub(crate) fn stuck(&self) -> Stuck {
        Stuck {
            definition: self.definition,
            entered: self.at,
        }
    }

    /// Its number. If that isn't greater than `other`, it first gets a new one, as if it had been entered just now.
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

    /// The lane of what the context function enters: in closure style from its setup on. In guard style only in a rollback, since before that the function uses its
    /// caller's lane.
    #[inline]
    pub(crate) fn frame_lane(&self) -> Lane {
        Lane::frame(self.number)
    }

    /// The lane of the context function, and the one for what has left it.
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
                // If a rollback drops this context, which was entered in the lane of that rollback's own context: a rollback has a lane of its own, so what has
                // been entered in this one since it began is around it, and not below this context.
                let around = elsewhere.and_then(|elsewhere| elsewhere.rollback);
                let own = LaneRange::new(self.lane, after..around.unwrap_or(number));
                // Where it is torn down, if that isn't where it was entered: a future, for example, that one task has begun and another one ends.
                let there = elsewhere.map(|elsewhere| elsewhere.range_here(after..number));
                // If the context has left the lanes that were around it, it is no longer known which of them are. What is below it is then what the same task has
                // entered since, wherever that is in the root.
                let has_left = elsewhere.is_some_and(|elsewhere| !elsewhere.is_native());
                let root = has_left.then(|| LaneRange::new(self.root, after..until));
                [Some(own), there, Some(left), root, None, None]
            }
            Style::Body => {
                let body = LaneRange::new(self.body_lane(), after..Number::MAX);
                let frame = LaneRange::new(self.frame_lane(), after..Number::MAX);
                // The future that the context is a part of may have gone on in another root, a rollback's or a task's: what has left that one since.
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

    /// Calls `does` when the returned value is dropped, also if something panics before.
    #[inline]
    pub(crate) fn finally(&self, does: fn(&Entered)) -> Finally<'_> {
        Finally {
            entered: self,
            does,
        }
    }

    /// The context is over, perhaps without having waited for what was started below it. Whatever is around it waits for that instead, in the lane that it was
    /// entered in and in the one that it ends in.
    #[inline]
    pub(crate) fn leave_all(&self) {
        if table::any_pending() {
            self.leave_pending();
        }
    }

    /// Nothing is entered or dropped in its body any more: which lane the body was inside needn't be known.
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

    /// [`leave_all`](Entered::leave_all), for whatever is around it in this one lane.
    pub(super) fn leave_all_to(&self, around: Around) {
        for lane in self.own_lanes() {
            heirs::leave(lane, self.number, around);
        }
    }

    /// The lanes that end with this context.
    fn own_lanes(&self) -> impl Iterator<Item = Lane> {
        let body = (self.style == Style::Body).then(|| self.body_lane());
        body.into_iter().chain(self.frame_lanes())
    }

    /// The context is over, and rollbacks that its function has started may be pending: whatever is around it waits for them.
    #[inline]
    pub(crate) fn leave_frame_lane(&self) {
        let around = Around::Entered(self.lane);
        heirs::leave(self.frame_lane(), self.number, around);
    }

    /// Leaves what was dropped inside the context, but entered before it, to whatever is around the context in this lane.
    pub(super) fn leave_visitors_to(&self, around: Around) {
        for lane in self.own_lanes() {
            heirs::leave_visitors(lane, self.number, around);
        }
    }

    /// The context has dropped its body: the body's rollbacks are now below whatever is around the context's yield point, which is what runs now.
    pub(crate) fn leave_body(&self) {
        if table::any_pending() {
            self.leave_body_in(Lane::current());
        }
    }

    /// The context's frame is going to be dropped: what the frame holds was around the body, and so waits for the body's rollbacks.
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
