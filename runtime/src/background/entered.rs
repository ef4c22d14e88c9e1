//! An entered context: its number, its lane, and where that was.

use super::{
    Stuck,
    in_table::Pending,
    lane::{self, InLane, InRollback, Lane, Number, RuntimeId, Unit},
    settled::{Settled, Waiter},
    table,
    ticket::{self, Around, Past, Ticket},
};
use crate::{Definition, cold::Seldom};
use std::{
    ops::Range,
    panic::Location,
    task::{Context, Poll, ready},
};

/// What is known of a context from the moment it is entered.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    pub(crate) definition: Definition,
    pub(crate) at: &'static Location<'static>,
    pub(super) lane: Lane,
    /// The lane that this one is in, if it is some `with`'s: what is left of that is there.
    root: Lane,
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
        if style == Style::Body && lane.owner().is_some() && table::any_pending() {
            table::note_inside(number, lane);
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
    fn below_until(&self, number: Number, elsewhere: Option<&Elsewhere>) -> Below {
        let after = self.number + 1;
        let until = elsewhere.map_or(number, |elsewhere| elsewhere.until.max(after).min(number));
        let left = Settled::new(self.root.left(), after..until);
        Below(match self.style {
            Style::Guard => {
                // A rollback has a lane of its own: in the one that its context was entered in, what has been entered since it began is around it. What was entered
                // in a rollback is in order among itself, and with what was entered in the same lane before; so is what a rollback was given by others.
                let around = elsewhere.and_then(|elsewhere| elsewhere.rollback);
                let own = Settled::new(self.lane, after..around.unwrap_or(number));
                // A future that one task has begun and another one ends.
                let there = elsewhere.map(|elsewhere| elsewhere.settled(after..number));
                // Of what has left the lanes that were around it, it is known only that what the same task has entered since is below it.
                let has_left = elsewhere.is_some_and(|elsewhere| !elsewhere.is_native());
                let root = has_left.then(|| Settled::new(self.root, after..until));
                [Some(own), there, Some(left), root, None, None]
            }
            Style::Body => {
                let body = Settled::new(self.body_lane(), after..Number::MAX);
                let frame = Settled::new(self.frame_lane(), after..Number::MAX);
                [Some(body), Some(frame), Some(left), None, None, None]
            }
        })
    }

    /// The rollbacks that this context's function has started in its own lane.
    pub(crate) fn parts(&self) -> [Settled; 2] {
        let lanes = self.frame_lanes();
        lanes.map(|lane| Settled::new(lane, self.number + 1..Number::MAX))
    }

    /// The context is over, maybe without having waited for what was started below it: whatever is around it does, in its own lane and in the one that it ends in.
    #[inline]
    pub(crate) fn leave_all(&self) {
        if table::any_pending() {
            self.leave_pending();
        }
    }

    /// It won't enter or drop anything any more where it was entered.
    pub(crate) fn is_over(&self) {
        table::forget_inside(self.number);
    }

    #[cold]
    fn leave_pending(&self) {
        self.is_over();
        for lane in self.own_lanes() {
            ticket::leave_owned(lane, self.number, self.lane, self.root);
        }
    }

    /// The same, for whatever is around it in that lane.
    fn leave_all_to(&self, around: Around) {
        for lane in self.own_lanes() {
            ticket::leave(lane, self.number, around);
        }
    }

    /// The lanes that end with it.
    fn own_lanes(&self) -> impl Iterator<Item = Lane> {
        let body = (self.style == Style::Body).then(|| self.body_lane());
        body.into_iter().chain(self.frame_lanes())
    }

    /// The context is over, with rollbacks pending that its function has started.
    #[inline]
    pub(crate) fn leave_parts(&self) {
        let around = Around::Entered(self.lane);
        ticket::leave(self.frame_lane(), self.number, around);
    }

    /// Leaves what has been dropped inside of the context, but was entered before it, to whatever is around it in that lane.
    fn leave_visitors_to(&self, around: Around) {
        for lane in self.own_lanes() {
            ticket::leave_visitors(lane, self.number, around);
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
        ticket::leave_body(self.body_lane(), self.number, Around::Entered(around));
    }
}

/// The lane that a teardown began in, if it isn't its own.
struct Elsewhere {
    lane: Lane,
    /// For what has left the lanes around which it was entered, if this isn't one of them: whatever was entered before it by the same task looks there.
    left: Option<Lane>,
    /// When a rollback began that has dropped the context, and whose own one was entered by the same task: what has left that since was entered around it, and may
    /// wait for what it gives back.
    until: Number,
    /// The lane of the rollback that it goes on in, if it goes on in one: where that was before, it was, too.
    past: Lane,
    /// The lanes around this one that what was entered after it may be in.
    inside_of: Option<Box<[Lane]>>,
    /// Whether it waits for other visitors there: it is known that they belong together.
    together: bool,
    /// When a rollback began that has dropped the context, if that was entered before, in the same lane as the rollback's own context.
    rollback: Option<Number>,
}

impl Elsewhere {
    /// Where a context is exited, if that isn't its lane.
    #[cold]
    fn awaited(entered: &Entered) -> Option<Self> {
        let here = Lane::current();
        (here != entered.lane).then(|| Elsewhere::at(here, here, true, entered))
    }

    /// Where a context was dropped, if that isn't its lane.
    #[inline]
    fn dropped(entered: &Entered) -> Option<Self> {
        let here = Lane::current();
        (here != entered.lane).then(|| Elsewhere::dropped_at(here, entered))
    }

    #[cold]
    fn dropped_at(here: Lane, entered: &Entered) -> Self {
        let together = InRollback::current().is_some() || Unit::is_dropped();
        Elsewhere::at(here, entered.frame_lane(), together, entered)
    }

    fn at(here: Lane, past: Lane, together: bool, entered: &Entered) -> Self {
        let root = entered.root;
        let (here_root, number) = (Lane::root(), entered.number);
        let native = here_root == root && here.began_before(number);
        let nested = !native && entered.style == Style::Guard;
        let rollback = InRollback::current().filter(|rollback| rollback.root == Some(root));
        Elsewhere {
            lane: here,
            left: (!native).then(|| root.left()),
            until: rollback.map_or(Number::MAX, |rollback| rollback.began),
            past,
            inside_of: match nested {
                true => table::lanes_around(here, here_root, number),
                false => None,
            },
            together: together || native,
            rollback: Elsewhere::rollback_around(entered),
        }
    }

    /// Whether the context is no visitor, but counts as entered in this lane: it was, in a `with` inside of it, which it has left.
    fn is_native(&self) -> bool {
        self.left.is_none()
    }

    /// The lanes as those around the context.
    fn around(&self) -> [Option<Around>; 2] {
        match self.left {
            None => [Some(Around::Entered(self.lane)), None],
            Some(left) => [
                Some(Around::Visited(self.lane)),
                Some(Around::Entered(left)),
            ],
        }
    }

    /// Takes the places of a context of that number.
    fn places(&self, number: Number) -> [Option<Ticket>; 2] {
        self.around()
            .map(|around| around.map(|around| Ticket::new(around, number)))
    }

    /// When the rollback began that is running, if the context was entered before that, in the same lane as the rollback's own.
    fn rollback_around(entered: &Entered) -> Option<Number> {
        let rollback = InRollback::current()?;
        let is_around =
            entered.number < rollback.began && table::is_at_home(entered.lane, rollback.number);
        is_around.then_some(rollback.began)
    }

    fn settled(&self, entered: Range<Number>) -> Settled {
        let settled = match self.together {
            true => Settled::new(self.lane, entered),
            false => Settled::natives(self.lane, entered),
        };
        let settled = settled.and_past_of(self.past);
        settled.and_around(self.inside_of.clone())
    }
}

/// Waits for the rollbacks started below a context, before its teardown begins. One atomic load where none is pending anywhere.
pub(crate) struct Settling(Seldom<Unsettled>);

/// What there is to be settled first, and where.
#[derive(Default)]
struct Unsettled {
    waiting: Option<Waiting>,
    visit: Option<Visit>,
}

impl Settling {
    #[inline]
    pub(crate) fn new() -> Self {
        Settling(Seldom::none())
    }

    #[inline]
    pub(crate) fn poll(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        if table::any_pending() {
            self.poll_pending(entered, cx)
        } else {
            Poll::Ready(())
        }
    }

    #[cold]
    fn poll_pending(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        let floor = InRollback::floor();
        self.poll_for(|| entered.below(), floor, cx)
    }

    /// Waits for what `below` comes to when it is first asked.
    fn poll_for(
        &mut self,
        below: impl FnOnce() -> Below,
        floor: Number,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let unsettled = self.0.get_mut();
        let waiting = match unsettled.and_then(|unsettled| unsettled.waiting.as_mut()) {
            Some(waiting) => waiting,
            None => {
                let below = below();
                if !below.is_any_pending(floor) {
                    return Poll::Ready(());
                }
                self.0.get_or_default().waiting.insert(below.into())
            }
        };
        ready!(waiting.poll_above(cx, floor));
        self.stop_waiting();
        Poll::Ready(())
    }

    #[inline]
    fn stop_waiting(&mut self) {
        if let Some(unsettled) = self.0.get_mut() {
            unsettled.waiting = None;
        }
    }

    #[cold]
    fn begin_visit(&mut self, visit: Visit) {
        self.0.get_or_default().visit = Some(visit);
    }

    #[inline]
    fn visit(&self) -> Option<&Visit> {
        self.0.get()?.visit.as_ref()
    }

    #[inline]
    fn end_visit(&mut self) {
        if let Some(unsettled) = self.0.get_mut() {
            unsettled.visit = None;
        }
    }
}

/// The rollbacks started below a context.
#[derive(Debug)]
pub(crate) struct Below([Option<Settled>; 6]);

impl Below {
    /// None.
    pub(crate) fn none() -> Self {
        Below([const { None }; 6])
    }

    /// Those: up to six.
    pub(crate) fn of(rollbacks: impl IntoIterator<Item = Settled>) -> Self {
        let mut below = Below::none();
        for (place, settled) in below.0.iter_mut().zip(rollbacks) {
            *place = Some(settled);
        }
        below
    }

    /// And the context's [parts](Entered::parts).
    fn and_parts(mut self, parts: [Settled; 2]) -> Self {
        let [.., first, second] = &mut self.0;
        [*first, *second] = parts.map(Some);
        self
    }

    fn is_any_pending(&self, floor: Number) -> bool {
        table::are_blocked(&self.0, floor)
    }
}

/// Waits for the rollbacks started below a context.
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

    fn poll_above(&mut self, cx: &mut Context<'_>, floor: Number) -> Poll<()> {
        self.waiter.poll(&self.below.0, cx, floor)
    }
}

/// A pending rollback's places: in the lane that its context was entered in, and in the one that it was dropped in, if that is another one.
///
/// Its owner gives the places up, with one of the two methods, before it is dropped itself.
pub(crate) struct Places {
    /// What is entered from then on has this number or a higher one.
    began: Number,
    settling: Settling,
}

struct Visit {
    elsewhere: Elsewhere,
    _places: [Option<Ticket>; 2],
    _past: Option<Past>,
}

impl Places {
    /// None are taken yet.
    #[inline]
    pub(crate) fn none() -> Self {
        Places {
            began: 0,
            settling: Settling::new(),
        }
    }

    /// Waits for the rollbacks started below a context that isn't rolled back.
    #[inline]
    pub(crate) fn poll_settled(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        self.settling.poll(entered, cx)
    }

    /// Takes them; says whether there may be something pending that the rollback has to wait for.
    #[inline(always)]
    pub(crate) fn take(&mut self, entered: &Entered, runtime: RuntimeId) -> bool {
        // Whoever owned the context may have been waiting.
        self.settling.stop_waiting();
        let elsewhere = Elsewhere::dropped(entered);
        self.began = lane::number_to_come();
        let pending = Pending {
            runtime,
            stuck: Some(entered.stuck()),
        };
        let (lane, number) = (entered.lane, entered.number);
        let waits = match entered.style {
            // It looks when it is polled: it may yet be followed by those that were entered after it, as a tuple of guards is dropped in order.
            Style::Guard => {
                table::insert(lane, number, pending);
                true
            }
            Style::Body => table::insert_around(lane, number, pending, || {
                entered.below_until(self.began, elsewhere.as_ref()).0
            }),
        };
        if let Some(elsewhere) = elsewhere {
            // In closure style the context function is in the same lane as before.
            let moves = entered.style == Style::Guard;
            let past = || Past::begin(entered.frame_lane(), elsewhere.settled(0..self.began));
            let visit = Visit {
                _places: elsewhere.places(number),
                _past: moves.then(past),
                elsewhere,
            };
            self.settling.begin_visit(visit);
        }
        waits
    }

    /// The rollbacks that had been started below the context when the places were taken.
    fn below(&self, entered: &Entered) -> Below {
        let visit = self.settling.visit();
        entered.below_until(self.began, visit.map(|visit| &visit.elsewhere))
    }

    /// Whether any of those is pending.
    pub(crate) fn is_behind(&self, entered: &Entered) -> bool {
        let one_lane = entered.style == Style::Guard && self.settling.visit().is_none();
        let alone = match one_lane {
            true => !table::is_any_crowded_or_left(),
            false => !table::any_other_pending(),
        };
        !alone && self.below(entered).is_any_pending(InRollback::floor())
    }

    /// Waits for those, and for what the context's setup has started.
    pub(crate) fn poll_behind(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        let below = self.below(entered).and_parts(entered.parts());
        let floor = InRollback::floor();
        self.settling.poll_for(|| below, floor, cx)
    }

    /// This rollback, to those that begin in it.
    pub(crate) fn rollback(&self, entered: &Entered) -> InRollback {
        InRollback {
            number: entered.number,
            began: self.began,
            root: Some(entered.root),
        }
    }

    /// Gives the places up, once nothing is pending that the context's function has started.
    #[inline(always)]
    pub(crate) fn poll_give_up(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        if table::is_any_visited() {
            self.leave_visitors(entered);
        }
        let floor = InRollback::floor();
        if floor > entered.number {
            ready!(self.poll_leave_below(entered, floor, cx));
        }
        let (lane, number) = (entered.lane, entered.number);
        while !table::remove_unless(lane, number, || self.parts(entered), floor) {
            ready!(self.poll_parts(entered, floor, cx));
        }
        self.settling.end_visit();
        Poll::Ready(())
    }

    /// Inside of the rollback `floor`, which it blocks, and whatever waits for that: waits for the others, and leaves these.
    #[cold]
    fn poll_leave_below(
        &mut self,
        entered: &Entered,
        floor: Number,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        ready!(self.poll_parts(entered, floor, cx));
        self.leave_below(entered);
        Poll::Ready(())
    }

    /// What the context's function has started, here and before its rollback: in a branch that may be over since.
    fn parts(&self, entered: &Entered) -> [Settled; 3] {
        let [here, left_here] = entered.parts();
        let after = entered.number + 1;
        let left = Settled::new(entered.root.left(), after..self.began.max(after));
        [here, left_here, left]
    }

    /// Waits for what the context's function has started.
    fn poll_parts(&mut self, entered: &Entered, floor: Number, cx: &mut Context<'_>) -> Poll<()> {
        let parts = Below::of(self.parts(entered));
        self.settling.poll_for(|| parts, floor, cx)
    }

    /// The lanes around the context.
    fn all_around(&self, entered: &Entered) -> impl Iterator<Item = Around> {
        let visit = self.settling.visit();
        let elsewhere = visit.map(|visit| visit.elsewhere.around());
        let elsewhere = elsewhere.into_iter().flatten().flatten();
        [Around::Entered(entered.lane)].into_iter().chain(elsewhere)
    }

    #[cold]
    fn leave_visitors(&self, entered: &Entered) {
        for around in self.all_around(entered) {
            entered.leave_visitors_to(around);
        }
    }

    /// Leaves what is pending below the context to the lanes around.
    fn leave_below(&self, entered: &Entered) {
        for around in self.all_around(entered) {
            entered.leave_all_to(around);
        }
    }

    /// Gives the places up, to what is pending below the context.
    pub(crate) fn leave(&mut self, entered: &Entered) {
        self.leave_below(entered);
        table::remove(entered.lane, entered.number);
        self.settling.end_visit();
    }
}
