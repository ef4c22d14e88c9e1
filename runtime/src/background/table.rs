//! The table of the lanes in use: what is pending in each of them, and how much on each runtime. There is one table for the process, behind a lock.

use super::{
    Below, RuntimeId, Stuck,
    in_table::{End, InTable, Many, Parked, Pending, Place},
    lane::{self, KINDS, Lane, Number, Of, numbers_for},
    lane_range::LaneRange,
    lanes::Lanes,
    wakers::Wakers,
};
use std::{
    collections::BTreeMap,
    iter,
    ops::{Range, RangeInclusive},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

/// Where something is in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Address {
    pub(super) lane: Lane,
    /// Whether it is with the lane's visitors, not with its natives.
    pub(super) visits: bool,
    pub(super) place: Place,
}

impl Address {
    /// The one place of a context in the lane that it was entered in: the one by which its rollback is counted.
    #[inline]
    fn native(lane: Lane, number: Number) -> Self {
        Address {
            lane,
            visits: false,
            place: (number, 0),
        }
    }
}

pub(super) struct Table {
    /// What is pending in each lane of what was entered there.
    lanes: Lanes<InTable>,
    /// What is pending in each lane of what was dropped there, but entered in another one.
    visitors: Lanes<InTable>,
    /// How many counted rollbacks are pending on each runtime. No count is zero.
    counts: Vec<(RuntimeId, usize)>,
    pub(super) draining: Vec<Draining>,
    /// How many places are taken in all.
    taken: usize,
    /// How many of these are in lanes of each kind. Whoever looks for one kind mostly finds none, and is done.
    of_kind: [usize; KINDS],
    /// The last distinction: it tells apart places with the same number.
    last: u64,
    /// For which rollbacks in another lane the place at an address stands, if it stands for any.
    heirs: BTreeMap<Address, LaneRange>,
    /// By the lane of a rollback that has begun in another lane than its context was entered in: where that context was before.
    pasts: BTreeMap<Lane, Arc<Past>>,
    /// By the number of a `with` that was entered in another context's lane while anything was pending: that lane. Empty while nothing is pending.
    inside: BTreeMap<Number, Lane>,
    /// Room for what is pending in a lane, kept from one that had a lot: the next such lane needn't allocate it.
    spare: Option<Box<Many>>,
}

pub(super) struct Draining {
    pub(super) runtime: RuntimeId,
    pub(super) waiter: Number,
    pub(super) waker: Waker,
}

/// What may be pending in the lane where a context was before its rollback, and where it was before that.
struct Past {
    there: LaneRange,
    before: Option<Arc<Past>>,
}

impl Drop for Past {
    // In a loop: if each dropped the one before it, a long row of them would need a long stack.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(past) = before {
            before = Arc::into_inner(past).and_then(|mut past| past.before.take());
        }
    }
}

impl Table {
    pub(super) fn lanes(&mut self, visitors: bool) -> &mut Lanes<InTable> {
        self.lanes_and_spare(visitors).0
    }

    #[inline]
    fn lanes_and_spare(&mut self, visitors: bool) -> (&mut Lanes<InTable>, &mut Option<Box<Many>>) {
        let lanes = match visitors {
            true => &mut self.visitors,
            false => &mut self.lanes,
        };
        (lanes, &mut self.spare)
    }

    #[inline]
    pub(super) fn is_any_blocked(&self, ranges: &[Option<LaneRange>], floor: Number) -> bool {
        let mut ranges = ranges.iter().flatten();
        ranges.any(|range| range.is_blocked(self, floor))
    }

    #[cold]
    fn is_any_of_blocked(&self, below: impl FnOnce() -> Below) -> bool {
        self.is_any_blocked(below().ranges(), 0)
    }

    /// If anything is pending in these ranges: takes the waker, and wakes it when nothing is left of what is pending in one of their lanes. Whoever waits looks
    /// again then.
    pub(super) fn park(
        &mut self,
        ranges: &[Option<LaneRange>],
        floor: Number,
        waker: &mut Option<Waker>,
    ) -> Option<Address> {
        let mut ranges = ranges.iter().flatten();
        let pending = ranges.find_map(|range| range.where_pending(self, floor))?;
        self.park_in(&pending, floor, waker)
    }

    fn park_in(
        &mut self,
        range: &LaneRange,
        floor: Number,
        waker: &mut Option<Waker>,
    ) -> Option<Address> {
        let numbers = range.numbers_above(floor);
        let place = (numbers.start, self.next_distinction());
        let lane = range.lane;
        for visits in [false, range.visitors] {
            let (lanes, spare) = self.lanes_and_spare(visits);
            let Some(in_lane) = lanes.get_mut(lane) else {
                continue;
            };
            if in_lane.first_in(numbers.clone()).is_some() {
                let (end, waker) = (numbers.end, waker.take()?);
                in_lane.park(place, Parked { end, waker }, spare);
                return Some(Address {
                    lane,
                    visits,
                    place,
                });
            }
        }
        None
    }

    /// The place `heir` stands for these rollbacks in another lane.
    pub(super) fn stands_for(&mut self, heir: Address, range: LaneRange) {
        self.heirs.insert(heir, range);
    }

    pub(super) fn stands_for_nothing(&mut self, heir: Address) {
        self.heirs.remove(&heir);
    }

    /// For which rollbacks in other lanes the places with these numbers stand.
    pub(super) fn heirs_in(
        &self,
        lane: Lane,
        visits: bool,
        numbers: RangeInclusive<Number>,
    ) -> impl Iterator<Item = &LaneRange> {
        let at = |number, distinction| Address {
            lane,
            visits,
            place: (number, distinction),
        };
        let (first, last) = numbers.into_inner();
        let heirs = self.heirs.range(at(first, 0)..=at(last, u64::MAX));
        heirs.map(|(_, range)| range)
    }

    /// A rollback begins, in `lane`, of a context that was in the lane of `there` before.
    pub(super) fn begin_past(&mut self, lane: Lane, there: LaneRange) {
        let before = self.pasts.get(&there.lane).cloned();
        self.pasts.insert(lane, Arc::new(Past { there, before }));
    }

    pub(super) fn end_past(&mut self, lane: Lane) {
        self.pasts.remove(&lane);
    }

    /// Whether there is any rollback whose context was in another lane before.
    #[inline]
    pub(super) fn knows_pasts(&self) -> bool {
        !self.pasts.is_empty()
    }

    /// What may be pending in the lanes where the context was before whose rollback has this lane.
    pub(super) fn pasts_of(&self, lane: Lane) -> impl Iterator<Item = &LaneRange> {
        let last = self.pasts.get(&lane);
        iter::successors(last, |past| past.before.as_ref()).map(|past| &past.there)
    }

    /// The numbers, of these, of the rollbacks that are pending in this lane.
    pub(super) fn numbers_in(
        &self,
        lane: Lane,
        visits: bool,
        numbers: RangeInclusive<Number>,
    ) -> impl Iterator<Item = Number> {
        let lanes = match visits {
            true => &self.visitors,
            false => &self.lanes,
        };
        let pending = lanes.get(lane).into_iter().flat_map(InTable::pending);
        pending
            .map(|(number, _)| number)
            .filter(move |number| numbers.contains(number))
    }

    /// The least number, of these, of a rollback that is pending in this lane.
    #[inline]
    pub(super) fn first_in(
        &self,
        lane: Lane,
        visitors: bool,
        entered: Range<Number>,
    ) -> Option<Number> {
        let natives = self.lanes.get(lane);
        let first = natives.and_then(|in_lane| in_lane.first_in(entered.clone()));
        if !visitors || self.visitors.is_empty() {
            return first;
        }
        let visitors = self.visitors.get(lane);
        let other = visitors.and_then(|in_lane| in_lane.first_in(entered));
        first.into_iter().chain(other).min()
    }

    /// The numbers up to `last` of the rollbacks that visit this lane.
    pub(super) fn visitors_to(&self, lane: Lane, last: Number) -> Vec<Number> {
        let mut numbers = Vec::from_iter(self.numbers_in(lane, true, 0..=last));
        numbers.dedup();
        numbers
    }

    /// Whether a visitor of this lane may have come after the place with this distinction was taken.
    pub(super) fn was_visited_since(&self, distinction: u64, lane: Lane) -> bool {
        let visitors = self.visitors.get(lane);
        visitors.is_some_and(|in_lane| in_lane.newest() > distinction)
    }

    /// Whether this lane is visited by the context of this number, or by something that stands for it.
    pub(super) fn is_visited_by(&self, lane: Lane, number: Number) -> bool {
        let visitors = self.visitors.get(lane);
        visitors.is_some_and(|in_lane| in_lane.first_in(numbers_for(number)).is_some())
    }

    /// Whether any place is taken in lanes of this kind.
    #[inline]
    pub(super) fn has_any(&self, kind: usize) -> bool {
        self.of_kind[kind] != 0
    }

    /// Whether any rollback is pending in a lane of some context's own.
    #[inline]
    fn is_any_inside(&self) -> bool {
        self.has_any(Of::Body as usize) || self.has_any(Of::Frame as usize)
    }

    /// Whether any place is taken in a lane for what has [left](Lane::left) another one.
    #[inline]
    fn is_any_left(&self) -> bool {
        self.of_kind[lane::LEFT..].iter().any(|taken| *taken != 0)
    }

    /// Whether any rollback is pending that a context's function may have started.
    #[inline]
    fn may_any_be_in_frames(&self) -> bool {
        self.has_any(Of::Frame as usize) || self.is_any_left()
    }

    /// Whether anything is pending that looking into lower numbers could find: in a context's own lane, or in one that a place stands for.
    #[inline]
    pub(super) fn may_any_be_inside(&self) -> bool {
        self.is_any_inside() || !self.heirs.is_empty()
    }

    pub(super) fn next_distinction(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    #[inline(always)]
    pub(super) fn insert(&mut self, at: Address, pending: Pending) {
        let Address {
            lane,
            visits,
            place,
        } = at;
        if pending.stuck.is_some() {
            self.count_up(pending.runtime);
        }
        let (lanes, spare) = self.lanes_and_spare(visits);
        lanes.insert(lane, (place, pending), |in_lane, new| {
            in_lane.insert(new, spare);
        });
        self.taken += 1;
        self.of_kind[lane.kind()] += 1;
        self.publish();
    }

    /// Gives the place up: the rollback is over. Takes out the wakers of those who have waited for that.
    #[inline(always)]
    pub(super) fn remove(&mut self, at: Address, wakers: &mut Wakers) {
        let Address {
            lane,
            visits,
            place,
        } = at;
        let (lanes, spare) = self.lanes_and_spare(visits);
        let Some(mut found) = lanes.find(lane) else {
            return;
        };
        let end = found.known().and_then(|in_lane| in_lane.end(place, wakers));
        let Some(End { counted, is_last }) = end else {
            return;
        };
        if is_last {
            if let Some(InTable::Many(many)) = found.remove() {
                *spare = many.into_spare();
            }
            lanes.tidy();
        }
        self.taken -= 1;
        self.of_kind[lane.kind()] -= 1;
        if self.taken == 0 {
            self.inside.clear();
        }
        self.publish();
        if let Some(runtime) = counted {
            self.count_down(runtime, wakers);
        }
    }

    /// The context of this number is over.
    fn forget_inside(&mut self, number: Number) {
        if self.inside.remove(&number).is_some() {
            self.publish();
        }
    }

    /// Brings [`PENDING`] up to date, for those who look before they lock the table.
    #[inline]
    fn publish(&self) {
        let crowded = if self.taken == self.lanes.len() {
            0
        } else {
            ANY_CROWDED
        };
        let visited = if self.visitors.is_empty() {
            0
        } else {
            ANY_VISITED
        };
        let left = if self.is_any_left() { ANY_LEFT } else { 0 };
        let inside = if self.inside.is_empty() {
            0
        } else {
            ANY_INSIDE
        };
        let flags = crowded | visited | left | inside;
        PENDING.store(self.taken << FLAGS | flags, Ordering::Release);
    }

    /// How many rollbacks belong to `runtime`: those that run on it, and those of which nobody knows where they run. For `None`, all.
    pub(super) fn count(&self, runtime: RuntimeId) -> usize {
        let counts = self.counts.iter();
        let belonging = counts.filter(|(pending, _)| belongs(*pending, runtime));
        belonging.map(|(_, count)| count).sum()
    }

    /// The lane and the number of a counted rollback that belongs to `runtime`, of a context with a higher number than this.
    pub(super) fn any_later(&self, number: Number, runtime: RuntimeId) -> Option<(Lane, Number)> {
        self.lanes.iter().find_map(|(lane, in_lane)| {
            let mut pending = in_lane.pending();
            let later = pending.find(|(other, pending)| {
                *other > number && pending.stuck.is_some() && belongs(pending.runtime, runtime)
            });
            Some((lane, later?.0))
        })
    }

    fn count_up(&mut self, runtime: RuntimeId) {
        match self.counts.iter_mut().find(|(known, _)| *known == runtime) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((runtime, 1)),
        }
    }

    /// One rollback less on `runtime`. Takes out the wakers of those who have waited for that.
    #[inline(always)]
    fn count_down(&mut self, runtime: RuntimeId, wakers: &mut Wakers) {
        let Some(at) = self.counts.iter().position(|(known, _)| *known == runtime) else {
            return;
        };
        let (_, count) = &mut self.counts[at];
        *count -= 1;
        if *count == 0 {
            self.counts.swap_remove(at);
            self.drained(wakers);
        }
    }

    /// Takes out the wakers of those on whose runtime nothing is pending any more.
    #[cold]
    fn drained(&mut self, wakers: &mut Wakers) {
        // In place, so that the vector keeps its room for the next one who drains.
        let mut at = 0;
        while let Some(draining) = self.draining.get(at) {
            if self.count(draining.runtime) == 0 {
                wakers.push(self.draining.swap_remove(at).waker);
            } else {
                at += 1;
            }
        }
    }
}

/// How many places are taken in all and, in the last bits, the flags below. Everybody looks here first, so that nobody locks the table for nothing. It changes
/// only under the table's lock.
///
/// Whoever looks after a rollback was started (in the sense of the memory model) sees that it was, or what has become of it since. Whoever sees that it is over
/// sees what it has done.
static PENDING: AtomicUsize = AtomicUsize::new(0);
const FLAGS: u32 = 4;
/// Some lane has more than one place taken, or has visitors.
const ANY_CROWDED: usize = 1;
/// Some lane has visitors.
const ANY_VISITED: usize = 2;
/// Some place is taken in a lane for what has left another one.
const ANY_LEFT: usize = 4;
/// Of some `with`, the lane is known that it is inside.
const ANY_INSIDE: usize = 8;

static TABLE: Mutex<Table> = Mutex::new(Table {
    lanes: Lanes::new(),
    visitors: Lanes::new(),
    counts: Vec::new(),
    draining: Vec::new(),
    taken: 0,
    of_kind: [0; KINDS],
    last: 0,
    heirs: BTreeMap::new(),
    pasts: BTreeMap::new(),
    inside: BTreeMap::new(),
    spare: None,
});

#[inline]
pub(super) fn table() -> MutexGuard<'static, Table> {
    // Nothing in this module panics with the table half-changed.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the one counted place of a context, in the lane that it was entered in.
#[inline]
pub(crate) fn insert(lane: Lane, number: Number, pending: Pending) {
    table().insert(Address::native(lane, number), pending);
}

/// [`insert`] for a `with`. Returns whether anything that is `below` it has to be waited for.
#[inline(always)]
pub(crate) fn insert_around(
    lane: Lane,
    number: Number,
    pending: Pending,
    below: impl FnOnce() -> Below,
) -> bool {
    let mut table = table();
    let may_be = table.is_any_inside() || table.is_any_left();
    let blocked = may_be && table.is_any_of_blocked(below);
    table.insert(Address::native(lane, number), pending);
    blocked
}

/// Whether anything is pending in these ranges of what was entered after `floor`.
pub(crate) fn are_blocked(ranges: &[Option<LaneRange>], floor: Number) -> bool {
    table().is_any_blocked(ranges, floor)
}

/// Whether the rollback of the context of this number, which was entered in this lane, is pending.
pub(crate) fn is_at_home(lane: Lane, number: Number) -> bool {
    table().first_in(lane, false, number..number + 1).is_some()
}

/// Whether another rollback is pending than the one that asks.
#[inline]
pub(crate) fn any_other_pending() -> bool {
    PENDING.load(Ordering::Acquire) >> FLAGS > 1
}

/// Whether any lane has more than one rollback pending, or has visitors, or is for what has left another one. If not, someone with a place in one lane has
/// nothing to look for there but himself.
#[inline]
pub(crate) fn is_any_crowded_or_left() -> bool {
    PENDING.load(Ordering::Acquire) & (ANY_CROWDED | ANY_LEFT) != 0
}

/// Whether any lane has visitors.
#[inline]
pub(crate) fn is_any_visited() -> bool {
    PENDING.load(Ordering::Acquire) & ANY_VISITED != 0
}

/// A `with` of this number was entered in this lane of another context's own: the table remembers that while anything is pending.
#[cold]
pub(crate) fn note_inside(number: Number, lane: Lane) {
    let mut table = table();
    if table.taken > 0 {
        table.inside.insert(number, lane);
        table.publish();
    }
}

/// The context of this number is over.
pub(crate) fn forget_inside(number: Number) {
    if knows_insides() {
        table().forget_inside(number);
    }
}

/// The context of this number is over. Returns whether anything is pending in any of its `own` lanes.
pub(crate) fn end(number: Number, mut own: impl Iterator<Item = Lane>) -> bool {
    let mut table = table();
    table.forget_inside(number);
    own.any(|lane| table.lanes.get(lane).is_some() || table.visitors.get(lane).is_some())
}

/// Whether it is known of any `with` which lane it is inside.
#[inline]
fn knows_insides() -> bool {
    PENDING.load(Ordering::Acquire) & ANY_INSIDE != 0
}

/// Where else than in `lane` there may be something of what was entered after `number`: in the lanes around it, as far as they are known, up to the first one
/// that began before that number, and in the lane for what has left their `root`.
#[cold]
pub(crate) fn lanes_around(lane: Lane, root: Lane, number: Number) -> Option<Box<[Lane]>> {
    let pending = PENDING.load(Ordering::Acquire);
    if pending & (ANY_INSIDE | ANY_LEFT) == 0 {
        return None;
    }
    let table = table();
    let mut lanes = Vec::new();
    if table.has_any(root.left().kind()) {
        lanes.push(root.left());
    }
    let mut inner = lane;
    while !inner.began_before(number) {
        let around = inner.owner().and_then(|owner| table.inside.get(&owner));
        let Some(around) = around else {
            break;
        };
        lanes.push(*around);
        inner = *around;
    }
    (!lanes.is_empty()).then(|| lanes.into())
}

/// Gives up the place that [`insert`] has taken.
pub(crate) fn remove(lane: Lane, number: Number) {
    let mut wakers = Wakers::none();
    table().remove(Address::native(lane, number), &mut wakers);
    wakers.wake();
}

/// [`remove`], unless something is pending of what the context's function has started and was entered after `floor`. Returns whether the place is given up.
#[inline(always)]
pub(crate) fn remove_unless(
    lane: Lane,
    number: Number,
    frame_ranges: impl FnOnce() -> [LaneRange; 3],
    floor: Number,
) -> bool {
    let mut wakers = Wakers::none();
    let mut table = table();
    if table.may_any_be_in_frames()
        && frame_ranges()
            .iter()
            .any(|range| range.is_blocked(&table, floor))
    {
        return false;
    }
    table.remove(Address::native(lane, number), &mut wakers);
    drop(table);
    wakers.wake();
    true
}

/// Whether any rollback is pending anywhere.
#[inline]
pub(crate) fn any_pending() -> bool {
    PENDING.load(Ordering::Acquire) != 0
}

/// The contexts with a higher number than `floor` whose pending rollbacks belong to `runtime`, in the order of entering. For `None`, of any runtime.
pub(crate) fn pending_on(runtime: RuntimeId, floor: Number) -> Vec<Stuck> {
    let table = table();
    let lanes = table.lanes.iter();
    let mut pending: Vec<_> = lanes
        .flat_map(|(_, in_lane)| in_lane.pending())
        .filter(|(number, pending)| *number > floor && belongs(pending.runtime, runtime))
        .filter_map(|(number, pending)| Some((number, pending.stuck.clone()?)))
        .collect();
    drop(table);
    pending.sort_by_key(|(number, _)| *number);
    pending.into_iter().map(|(_, stuck)| stuck).collect()
}

fn belongs(pending: RuntimeId, runtime: RuntimeId) -> bool {
    runtime.is_none() || pending.is_none() || pending == runtime
}

pub(crate) fn count_on(runtime: RuntimeId) -> usize {
    if any_pending() {
        table().count(runtime)
    } else {
        0
    }
}

/// How much there is in the table: lanes, and contexts known to be inside one. For tests that nothing is left behind.
#[doc(hidden)]
pub fn lanes_in_use() -> usize {
    let table = table();
    table.lanes.len() + table.visitors.len() + table.inside.len()
}
