//! Places in a lane that stand for rollbacks in other lanes.

use super::{
    in_table::Pending,
    lane::{Lane, Number},
    lane_range::LaneRange,
    table::{Address, Table, table},
    wakers::Wakers,
};

/// A place in a lane that stands for rollbacks in another one. Its drop gives the place up: they are over.
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

    /// A place for the rollbacks in `range`, whose lane's owner is gone, in a lane around that one.
    pub(super) fn heir(around: Around, number: Number, range: LaneRange) -> Self {
        let mut table = table();
        let ticket = Ticket::take(&mut table, around, number);
        table.stands_for(ticket.0, range);
        ticket
    }

    /// A place for a context, in a lane around it.
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

/// Has the table know, while a rollback with this lane is pending, where its context was before: the context's function may have entered something there.
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

/// A lane around a context or around another lane, and what that is in it.
#[derive(Clone, Copy)]
pub(crate) enum Around {
    /// A lane that it was entered in, or counts as entered in.
    Entered(Lane),
    /// A lane that it visits.
    Visited(Lane),
}

impl Around {
    pub(super) fn lane(self) -> Lane {
        let (Around::Entered(lane) | Around::Visited(lane)) = self;
        lane
    }
}
