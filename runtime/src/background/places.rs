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
/// Its owner gives the places up, with one of the two methods, before it is dropped itself.
pub(crate) struct Places {
    /// What is entered from then on has this number or a higher one.
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
                entered.below_until(self.began, elsewhere.as_ref())
            }),
        };
        if let Some(elsewhere) = elsewhere {
            // In closure style the context function is in the same lane as before.
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
        let below = self.below(entered).and_frame(entered.frame_ranges());
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
        while !table::remove_unless(lane, number, || self.frame_ranges(entered), floor) {
            ready!(self.poll_frame_ranges(entered, floor, cx));
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
        ready!(self.poll_frame_ranges(entered, floor, cx));
        self.leave_below(entered);
        Poll::Ready(())
    }

    /// What the context's function has started, here and before its rollback: in a branch that may be over since.
    fn frame_ranges(&self, entered: &Entered) -> [LaneRange; 3] {
        let [here, left_here] = entered.frame_ranges();
        let after = entered.number + 1;
        let left = LaneRange::new(entered.root.left(), after..self.began.max(after));
        [here, left_here, left]
    }

    /// Waits for what the context's function has started.
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
