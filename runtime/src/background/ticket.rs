//! Places in a lane that stand for rollbacks elsewhere.

use super::{
    in_table::Pending,
    lane::{Lane, Number},
    lane_range::LaneRange,
    table::{Address, Table, table},
    wakers::Wakers,
};

/// A place in a lane that stands for a rollback elsewhere; its drop says that that is over.
pub(crate) struct Ticket(Address);

impl Ticket {
    fn take(table: &mut Table, around: Around, number: Number) -> Self {
        let at = Address {
            lane: around.lane(),
            visits: matches!(around, Around::Visited(_)),
            place: (number, table.next_distinction()),
        };
        table.insert(at, Pending::ELSEWHERE);
        Ticket(at)
    }

    /// For what is pending in a lane whose owner is gone, in the one around it.
    pub(super) fn heir(around: Around, number: Number, range: LaneRange) -> Self {
        let mut table = table();
        let ticket = Ticket::take(&mut table, around, number);
        table.stands_for(ticket.0, range);
        ticket
    }

    /// For a context, in a lane around it.
    pub(crate) fn new(around: Around, number: Number) -> Self {
        Ticket::take(&mut table(), around, number)
    }

    pub(super) fn at(&self) -> Address {
        self.0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut wakers = Wakers::none();
        let mut table = table();
        table.stands_for_nothing(self.0);
        table.remove(self.0, &mut wakers);
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
