//! The places that a pending rollback has in the lanes.

use super::{
    Entered, Settling, Style,
    below::Below,
    elsewhere::Elsewhere,
    in_rollback::InRollback,
    in_table::Pending,
    lane::{self, Number, RuntimeId},
    lane_range::LaneRange,
    table,
    ticket::{Around, KeepsPast, Ticket},
};
use std::task::{Context, Poll, ready};

/// A pending rollback's places: in the lane that its context was entered in, and in the one that it was dropped in, if that is another one.
///
/// Before this is dropped, its owner gives the places up, by [`poll_give_up`](Places::poll_give_up) or [`leave`](Places::leave).
pub(crate) struct Places {
    /// When the rollback began: what is entered from then on has this number or a higher one.
    began: Number,
    settling: Settling,
}

pub(super) struct Visit {
    elsewhere: Elsewhere,
    _places: [Option<Ticket>; 2],
    _past: Option<KeepsPast>,
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

    /// Takes the places. Returns whether there may be something pending that the rollback has to wait for.
    #[inline(always)]
    pub(crate) fn take(&mut self, entered: &Entered, runtime: RuntimeId) -> bool {
        // The context's owner may have been waiting when it was dropped.
        self.settling.stop_waiting();
        let elsewhere = Elsewhere::dropped(entered);
        self.began = lane::number_to_come();
        let pending = Pending {
            runtime,
            stuck: Some(entered.stuck()),
        };
        let (lane, number) = (entered.lane, entered.number);
        let waits = match entered.style {
            // A guard's rollback looks when it is polled, not now. What it has to wait for may be dropped in the next moment: a tuple of guards is dropped in the
            // order of entering.
            Style::Guard => {
                table::insert(lane, number, pending);
                true
            }
            Style::Body => table::insert_around(lane, number, pending, || {
                entered.below_until(self.began, elsewhere.as_ref())
            }),
        };
        if let Some(elsewhere) = elsewhere {
            // The function of a guard's context used its caller's lane, and goes on in its own. In closure style it was in its own from the beginning.
            let moves = entered.style == Style::Guard;
            let past =
                || KeepsPast::begin(entered.frame_lane(), elsewhere.range_here(0..self.began));
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

    /// Whether any rollback is pending that this one has to wait for before its teardown.
    pub(crate) fn is_behind(&self, entered: &Entered) -> bool {
        let one_lane = entered.style == Style::Guard && self.settling.visit().is_none();
        let alone = match one_lane {
            true => !table::is_any_crowded_or_left(),
            false => !table::any_other_pending(),
        };
        !alone && self.below(entered).is_any_pending(InRollback::floor())
    }

    /// Waits for these rollbacks, and for those that the context's setup has started.
    pub(crate) fn poll_behind(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        let below = self.below(entered).and_frame(entered.frame_ranges());
        let floor = InRollback::floor();
        self.settling.poll_for(|| below, floor, cx)
    }

    /// This rollback, as those see it that begin inside it.
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
        while !table::remove_unless(lane, number, || self.frame_ranges(entered), floor) {
            ready!(self.poll_frame_ranges(entered, floor, cx));
        }
        self.settling.end_visit();
        Poll::Ready(())
    }

    /// [`poll_give_up`](Places::poll_give_up) for a rollback that runs inside a later one, whose number is `floor`. It waits only for what was entered after
    /// that one: the others may be waiting for that one, which this rollback blocks. They are left to the lanes around.
    #[cold]
    fn poll_leave_below(
        &mut self,
        entered: &Entered,
        floor: Number,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        ready!(self.poll_frame_ranges(entered, floor, cx));
        self.leave_below(entered);
        Poll::Ready(())
    }

    /// The rollbacks that the context's function has started: in the rollback, and before it in a branch that may be over since.
    fn frame_ranges(&self, entered: &Entered) -> [LaneRange; 3] {
        let [here, left_here] = entered.frame_ranges();
        let after = entered.number + 1;
        let left = LaneRange::new(entered.root.left(), after..self.began.max(after));
        [here, left_here, left]
    }

    /// Waits for the rollbacks that the context's function has started.
    fn poll_frame_ranges(
        &mut self,
        entered: &Entered,
        floor: Number,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let below = Below::of(self.frame_ranges(entered));
        self.settling.poll_for(|| below, floor, cx)
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

    /// Leaves what is pending below the context to the lanes around it.
    fn leave_below(&self, entered: &Entered) {
        for around in self.all_around(entered) {
            entered.leave_all_to(around);
        }
    }

    /// Gives the places up without waiting: what is pending below the context is left to the lanes around it.
    pub(crate) fn leave(&mut self, entered: &Entered) {
        self.leave_below(entered);
        table::remove(entered.lane, entered.number);
        self.settling.end_visit();
    }
}
