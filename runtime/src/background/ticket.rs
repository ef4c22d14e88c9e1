//! Places in a lane that stand for rollbacks elsewhere.

use super::{
    in_table::{Pending, Place},
    lane::{Lane, Number},
    lane_range::LaneRange,
    table::{InLane, Table, table},
    wakers::Wakers,
};

/// A place in a lane that stands for a rollback elsewhere; its drop says that that is over.
pub(crate) struct Ticket {
    pub(super) lane: Lane,
    visits: bool,
    pub(super) place: Place,
}

impl Ticket {
    fn take(table: &mut Table, lane: Lane, visits: bool, number: Number) -> Self {
        let place = (number, table.next_distinction());
        table.insert(lane, visits, place, Pending::ELSEWHERE);
        Ticket {
            lane,
            visits,
            place,
        }
    }

    fn take_around(table: &mut Table, around: Around, number: Number) -> Self {
        match around {
            Around::Entered(lane) => Ticket::take(table, lane, false, number),
            Around::Visited(lane) => Ticket::take(table, lane, true, number),
        }
    }

    /// For what is pending in a lane whose owner is gone, in the one around it.
    pub(super) fn heir(around: Around, number: Number, range: LaneRange) -> Self {
        let mut table = table();
        let ticket = Ticket::take_around(&mut table, around, number);
        table.stands_for(ticket.in_lane(), range);
        ticket
    }

    /// For a context, in a lane around it.
    pub(crate) fn new(around: Around, number: Number) -> Self {
        Ticket::take_around(&mut table(), around, number)
    }

    fn in_lane(&self) -> InLane {
        (self.lane, self.visits, self.place)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut wakers = Wakers::none();
        let mut table = table();
        table.stands_for_nothing(self.in_lane());
        table.remove(self.lane, self.visits, self.place, &mut wakers);
        drop(table);
        wakers.wake();
    }
}

/// Where a context was before its rollback, whose own lane that is: what is inside of it may have entered something there.
pub(crate) struct KeepsPast(Lane);

impl KeepsPast {
    pub(crate) fn begin(lane: Lane, there: LaneRange) -> Self {
        table().begin_past(lane, there);
        KeepsPast(lane)
    }
}

impl Drop for KeepsPast {
    fn drop(&mut self) {
        table().end_past(self.0);
    }
}

/// A lane around what is left to it.
#[derive(Clone, Copy)]
pub(crate) enum Around {
    /// The one that the owner was entered in.
    Entered(Lane),
    /// One that it is a visitor in.
    Visited(Lane),
}

impl Around {
    pub(super) fn lane(self) -> Lane {
        let (Around::Entered(lane) | Around::Visited(lane)) = self;
        lane
    }
}
