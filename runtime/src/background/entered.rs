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
    #[inline(always)]
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
        Lane::body(self.number)
    }

    /// The lane of what the context function enters: in closure style from its setup on, in guard style (where it uses its caller's) in a rollback.
    #[inline]
    pub(crate) fn frame_lane(&self) -> Lane {
        Lane::frame(self.number)
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
        Begun::now(self, true).below(self)
    }

    /// The rollbacks that this context's function has started in its own lane.
    pub(crate) fn parts(&self) -> Settled {
        Settled::new(self.frame_lane(), self.number + 1..Number::MAX)
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

/// What a teardown remembers of the moment in which it began.
pub(crate) struct Begun {
    number: Number,
    /// The lane that it began in, if it isn't its own.
    here: Option<Lane>,
    /// Whether it waits for other visitors there: it is known that they belong together.
    together: bool,
    /// Whether that lane is a rollback's, and when that one began, if it began later than the context.
    rollback: Option<Number>,
}

impl Begun {
    fn now(entered: &Entered, awaited: bool) -> Self {
        let here = Some(Lane::current()).filter(|here| *here != entered.lane);
        let rollback = here.and_then(|_| InRollback::current());
        let together = awaited || rollback.is_some() || here.is_some() && Unit::is_dropped();
        let began = rollback.map(|rollback| rollback.began);
        Begun {
            number: lane::next_number(),
            here,
            together,
            rollback: began.filter(|began| entered.number < *began),
        }
    }

    /// The rollbacks that had been started below the context when this began.
    fn below(&self, entered: &Entered) -> Below {
        let after = entered.number + 1;
        Below(match entered.style {
            Style::Guard => {
                // A rollback has a lane of its own: in another one, what has been entered since is around it. What was entered in a rollback is
                // in order among itself, and with what was entered in the same lane before.
                let until = self.rollback.unwrap_or(self.number);
                let there = match self.together {
                    true => Settled::new,
                    false => Settled::natives,
                };
                [
                    Some(Settled::new(entered.lane, after..until)),
                    // A future that one task has begun and another one ends.
                    self.here.map(|here| there(here, after..self.number)),
                    None,
                ]
            }
            Style::Body => [
                Some(Settled::new(entered.body_lane(), after..Number::MAX)),
                Some(entered.parts()),
                None,
            ],
        })
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
        let below = self.0.get_or_insert_with(|| Box::new(entered.below()));
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

    fn is_any_pending(&self) -> bool {
        lane::are_blocked(&self.0)
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
    begun: Begun,
    visits: Option<Box<Ticket>>,
}

impl Places {
    /// Takes them; says whether anything is pending that the rollback has to wait for.
    pub(crate) fn take(entered: &Entered, runtime: RuntimeId) -> (Places, bool) {
        let begun = Begun::now(entered, false);
        let pending = Pending {
            runtime,
            stuck: Some(Stuck {
                definition: entered.definition,
                entered: entered.at,
            }),
        };
        let (lane, number) = (entered.lane, entered.number);
        let waits = match entered.style {
            // It looks when it is polled: it may yet be followed by those that were entered after it, as a tuple of guards is dropped in order.
            Style::Guard => {
                lane::insert(lane, number, pending);
                true
            }
            Style::Body => lane::insert_behind(lane, number, pending, || begun.below(entered).0),
        };
        let visits = begun
            .here
            .map(|here| Box::new(Ticket::visitor(here, number)));
        (Places { begun, visits }, waits)
    }

    /// The rollbacks that had been started below the context when the places were taken.
    pub(crate) fn below(&self, entered: &Entered) -> Below {
        self.begun.below(entered)
    }

    /// The same, if any of them is pending.
    pub(crate) fn pending_below(&self, entered: &Entered) -> Option<Below> {
        let one_lane = entered.style == Style::Guard && self.begun.here.is_none();
        if !lane::any_other_pending() || one_lane && lane::is_alone(entered.lane, entered.number) {
            return None;
        }
        let below = self.below(entered);
        below.is_any_pending().then_some(below)
    }

    /// This rollback, to those that begin in it.
    pub(crate) fn rollback(&self, entered: &Entered) -> InRollback {
        InRollback {
            number: entered.number,
            began: self.begun.number,
        }
    }

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
