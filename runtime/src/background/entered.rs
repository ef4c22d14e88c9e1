//! An entered context: its number, its lane, and where that was.

use super::{
    Stuck,
    lane::{self, InLane, InRollback, Lane, Number, Pending, RuntimeId, Settled, Ticket, Unit},
};
use crate::Definition;
use std::{
    panic::Location,
    task::{Context, Poll, ready},
};

/// What is known of a context from the moment it is entered.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    pub(crate) definition: Definition,
    pub(crate) at: &'static Location<'static>,
    pub(super) lane: Lane,
    number: Number,
    style: Style,
}

/// How a context was entered, which decides what is below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// With a guard: what its lane entered later is below it.
    Guard,
    /// Around a body: what the body and the context function entered is below it.
    Body,
}

impl Entered {
    #[inline]
    pub(crate) fn now(
        definition: Definition,
        at: &'static Location<'static>,
        style: Style,
    ) -> Self {
        Entered {
            definition,
            at,
            lane: Lane::current(),
            number: lane::next_number(),
            style,
        }
    }

    /// Makes it the last one that was entered, and returns its new number.
    pub(crate) fn renumber(&mut self) -> Number {
        self.number = lane::next_number();
        self.number
    }

    /// The lane of what the body enters.
    #[inline]
    pub(crate) fn body_lane(&self) -> Lane {
        Lane::Body(self.number)
    }

    /// The lane of what the context function enters: in closure style from its setup on, in guard style (where it uses its caller's) in a rollback.
    #[inline]
    pub(crate) fn frame_lane(&self) -> Lane {
        Lane::Frame(self.number)
    }

    /// Makes the context function's lane the current one, outside of a rollback.
    #[inline]
    pub(crate) fn in_frame(&self) -> Option<InLane> {
        match self.style {
            Style::Guard => None,
            Style::Body => Some(self.frame_lane().enter()),
        }
    }

    /// This context's rollback, which begins now.
    pub(crate) fn begin_rollback(&self) -> InRollback {
        InRollback {
            number: self.number,
            began: lane::next_number(),
        }
    }

    /// The rollbacks started below this context so far. A rollback that begins in another lane than its own waits for other visitors there only if it is
    /// known that they belong together.
    #[cold]
    pub(crate) fn below(&self, awaited: bool) -> Below {
        let now = lane::next_number();
        let after = self.number + 1;
        Below(match self.style {
            Style::Guard => {
                let here = Lane::current();
                // A rollback has a lane of its own: in another one, what has been entered since is around it. What was entered in a rollback is
                // in order among itself, and with what was entered in the same lane before.
                let rollback = InRollback::current()
                    .filter(|rollback| here != self.lane && self.number < rollback.began);
                let began = rollback.map_or(now, |rollback| rollback.began);
                let together = awaited || InRollback::current().is_some() || Unit::is_dropped();
                let there = match together {
                    true => Settled::new,
                    false => Settled::natives,
                };
                [
                    Some(Settled::new(self.lane, after..began)),
                    // A future that one task has begun and another one ends.
                    (here != self.lane).then(|| there(here, after..now)),
                    None,
                ]
            }
            Style::Body => [
                Some(Settled::new(self.body_lane(), after..Number::MAX)),
                Some(self.parts()),
                None,
            ],
        })
    }

    /// The rollbacks that this context's function has started in its own lane.
    pub(crate) fn parts(&self) -> Settled {
        Settled::new(self.frame_lane(), self.number + 1..Number::MAX)
    }

    /// Takes a place among the pending rollbacks; says what this one has to wait for.
    pub(crate) fn take_places(&self, runtime: RuntimeId) -> (Places, Option<Box<Below>>) {
        let below = self.below(false);
        let pending = Pending {
            number: self.number,
            runtime,
            stuck: Some(Stuck {
                definition: self.definition,
                entered: self.at,
            }),
        };
        let blocked = lane::insert_behind(self.lane, pending, &below.0);
        let here = Lane::current();
        let visits = (here != self.lane).then(|| Box::new(Ticket::visitor(here, self.number)));
        // A guard may yet be followed by those that were entered after it: a tuple of guards is dropped in order.
        let waits = blocked || self.style == Style::Guard;
        (Places { visits }, waits.then(|| Box::new(below)))
    }

    /// The context is over without having waited for what was started below it: whatever is around it does.
    pub(crate) fn leave_all(&self) {
        if self.style == Style::Body {
            lane::leave(self.body_lane(), self.number, self.lane, Some(self.number));
        }
        self.leave_parts();
    }

    /// The context is over, with rollbacks pending that its function has started.
    #[inline]
    pub(crate) fn leave_parts(&self) {
        lane::leave(self.frame_lane(), self.number, self.lane, Some(self.number));
    }

    /// The context has dropped its body, whose rollbacks are now below whatever the context is inside of at its yield point.
    pub(crate) fn leave_body(&self) {
        if lane::any_pending() {
            lane::leave(self.body_lane(), self.number, Lane::current(), None);
        }
    }
}

/// Waits for the rollbacks started below a context, before its teardown begins. One atomic load where none is pending anywhere.
#[derive(Default)]
pub(crate) struct Settling(Option<Box<Below>>);

impl Settling {
    #[inline]
    pub(crate) fn poll(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        if lane::any_pending() {
            self.poll_pending(entered, cx)
        } else {
            Poll::Ready(())
        }
    }

    #[cold]
    fn poll_pending(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        let below = self.0.get_or_insert_with(|| Box::new(entered.below(true)));
        let floor = InRollback::current().map_or(0, |rollback| rollback.number);
        below.poll_above(cx, floor)
    }
}

/// Waits for the rollbacks started below a context.
#[derive(Debug)]
pub(crate) struct Below([Option<Settled>; 3]);

impl Below {
    /// None.
    pub(crate) fn none() -> Self {
        Below([None, None, None])
    }

    /// Those.
    pub(crate) fn of(rollbacks: Settled) -> Self {
        Below([Some(rollbacks), None, None])
    }

    /// Those too.
    pub(crate) fn and_parts(mut self, entered: &Entered) -> Self {
        self.0[2] = Some(entered.parts());
        self
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_above(cx, 0)
    }

    fn poll_above(&mut self, cx: &mut Context<'_>, floor: Number) -> Poll<()> {
        for lane in self.0.iter_mut().flatten() {
            ready!(lane.poll(cx, floor));
        }
        Poll::Ready(())
    }
}

/// A pending rollback's places: in the lane that its context was entered in, and in the one that it was dropped in, if that is another one.
///
/// Small, since it moves with the rollback: its owner gives the places up, with one of the two methods, before it is dropped itself.
pub(crate) struct Places {
    visits: Option<Box<Ticket>>,
}

impl Places {
    /// Gives the places up, unless something is pending that the context's function has started. `true` if they are given up.
    pub(crate) fn give_up(&mut self, entered: &Entered) -> bool {
        let over = lane::remove_unless(entered.lane, entered.number, &entered.parts());
        if over {
            self.visits = None;
        }
        over
    }

    /// Gives the places up.
    pub(crate) fn leave(&mut self, entered: &Entered) {
        lane::remove(entered.lane, entered.number);
        self.visits = None;
    }
}
