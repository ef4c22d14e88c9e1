//! Lanes: which rollbacks a teardown waits for.
//!
//! Every entered context has a number, later ones higher ones, and a lane: that of the `with` it was entered in, else of the task, else of the
//! thread. Every `with` has two lanes of its own, for what its body and for what its context function enters. A lane exists in the table only while
//! a rollback in it is pending, so that lanes nobody uses cost nothing and leave nothing behind.
//!
//! A teardown waits for the rollbacks of contexts that were entered in its lane after its own and before it began (a later one may need what this one
//! gives back). So everything waits for higher numbers only, never in a circle. A lane whose owner is gone while rollbacks in it are pending has an
//! *heir*: an entry in the lane around it that lasts as long as they do.
//!
//! A context that is dropped in another lane than its own (a guard that was sent to another task, a future that one task has begun and another one
//! ends) is a *visitor* there: what was entered in that lane before it waits for it, but two visitors, who may have nothing to do with each other, don't.
//! They do where it is known that they belong together: what a rollback drops, and what is on one stack. It isn't known of the parts of a future that was
//! polled in two tasks and is dropped in a third one; those of each of the two are in order.

use super::row::Row;
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hash, Hasher},
    mem,
    num::NonZero,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

/// Where a context was entered. One word: what kind of lane it is, and its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Lane(NonZero<u64>);

/// The kinds of lanes, as their numbers' last bits.
#[derive(Clone, Copy)]
enum Of {
    // Not 0, so that no lane is.
    Body = 1,
    Frame,
    Branch,
    #[cfg(feature = "tokio")]
    Task,
    Thread,
}

/// How many kinds of lanes there are, and one that isn't.
const KINDS: usize = 1 << KIND_BITS;
const KIND_BITS: u32 = 3;

impl Lane {
    #[inline]
    const fn new(of: Of, number: u64) -> Self {
        match NonZero::new((number << KIND_BITS) | of as u64) {
            Some(lane) => Lane(lane),
            None => unreachable!(),
        }
    }

    #[inline]
    fn kind(self) -> usize {
        self.0.get() as usize % KINDS
    }

    /// The body of the `with` of that number.
    #[inline]
    pub(crate) const fn body(with: Number) -> Self {
        Lane::new(Of::Body, with)
    }

    /// The context function of that number: in closure style all of it, in guard style its rollback.
    #[inline]
    pub(crate) const fn frame(context: Number) -> Self {
        Lane::new(Of::Frame, context)
    }

    /// A branch separated by `background::lane`.
    #[inline]
    pub(crate) const fn branch(branch: Number) -> Self {
        Lane::new(Of::Branch, branch)
    }

    /// A thread, off a runtime or while it drives the root future of that one.
    fn thread(runtime: RuntimeId) -> Self {
        static THREADS: AtomicU64 = AtomicU64::new(1);
        let thread = THREAD.try_with(|thread| {
            if thread.get() == 0 {
                thread.set(THREADS.fetch_add(1, Ordering::Relaxed));
            }
            thread.get()
        });
        // An error: the thread is ending, and its variables are gone. Both are counted from one on, so that there is room for either.
        Lane::new(
            Of::Thread,
            thread.unwrap_or(0) << 24 ^ runtime.map_or(0, number_of),
        )
    }
}

/// The number inside of an id of tokio's, which doesn't show it otherwise.
#[inline]
fn number_of(id: impl Hash) -> u64 {
    struct Number(u64);

    impl Hasher for Number {
        #[inline]
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = self.0 << 8 | u64::from(*byte);
            }
        }

        #[inline]
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }

    let mut number = Number(0);
    id.hash(&mut number);
    number.finish()
}

/// Mixes the numbers that lanes are told apart by. Nobody from outside can choose them.
///
/// What is dropped one after the other was mostly entered so, and has numbers next to each other: those stay next to each other, in blocks, each of which is
/// somewhere and permuted somehow.
#[derive(Default)]
struct LaneHasher(u64);

impl Hasher for LaneHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        /// As many numbers are in a block. No more: a place between many that are taken isn't free again when it is given up, in std's hash tables.
        const BLOCK: u64 = 1 << 4;
        /// What the table compares before it compares numbers.
        const TAG: u64 = 0x7F << 57;

        // The high bits are the well-mixed ones of a product.
        fn mixed(number: u64) -> u64 {
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        }
        let (number, kind) = (number >> KIND_BITS, number % KINDS as u64);
        let block = mixed(self.0 ^ ((number / BLOCK) << KIND_BITS) ^ kind) >> 7;
        let in_block = number % BLOCK;
        self.0 = ((block ^ in_block) & !TAG) | (mixed(number) & TAG);
    }
}

/// The runtime that a rollback runs on, if it runs on one that we know.
#[cfg(feature = "tokio")]
pub(crate) type RuntimeId = Option<tokio::runtime::Id>;
#[cfg(not(feature = "tokio"))]
pub(crate) type RuntimeId = Option<std::convert::Infallible>;

/// The number of an entered context, in the order of entering.
pub(crate) type Number = u64;

static NEXT: AtomicU64 = AtomicU64::new(1);

#[inline]
pub(crate) fn next_number() -> Number {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whatever has been entered so far has a lower number than this, whatever is entered from now on has not.
#[inline]
pub(crate) fn number_to_come() -> Number {
    NEXT.load(Ordering::Relaxed)
}

thread_local! {
    static CURRENT: Cell<Option<Lane>> = const { Cell::new(None) };
    // An `InRollback`, or zeros. In two parts, since one would be restored in another width than it was saved in, and wait for that.
    static ROLLBACK: Cell<Number> = const { Cell::new(0) };
    static BEGAN: Cell<Number> = const { Cell::new(0) };
    static UNIT: Cell<bool> = const { Cell::new(false) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

impl Lane {
    /// The lane of the code that is running.
    #[inline]
    pub(crate) fn current() -> Self {
        if let Ok(Some(lane)) = CURRENT.try_with(Cell::get) {
            return lane;
        }
        #[cfg(feature = "tokio")]
        if let Some(task) = tokio::task::try_id() {
            return Lane::new(Of::Task, number_of(task));
        }
        Lane::thread(super::current_runtime())
    }

    /// Makes this the current lane until the returned value is dropped.
    #[inline]
    pub(crate) fn enter(self) -> InLane {
        InLane(
            CURRENT
                .try_with(|current| current.replace(Some(self)))
                .ok()
                .flatten(),
        )
    }
}

/// Restores the lane that was current before.
#[must_use]
pub(crate) struct InLane(Option<Lane>);

impl Drop for InLane {
    #[inline]
    fn drop(&mut self) {
        // An error: the thread is ending, and its lane with it.
        let _ = CURRENT.try_with(|current| current.set(self.0));
    }
}

/// The rollback that a thread is polling.
#[derive(Clone, Copy)]
pub(crate) struct InRollback {
    /// Its context. What is torn down inside can't wait for it, nor for what waits for it: contexts with lower numbers.
    pub(crate) number: Number,
    /// What has been entered around it since is below nothing that it tears down.
    pub(crate) began: Number,
}

impl InRollback {
    pub(crate) fn current() -> Option<Self> {
        match ROLLBACK.try_with(Cell::get) {
            Ok(0) | Err(_) => None,
            Ok(number) => {
                let began = BEGAN.try_with(Cell::get).ok()?;
                Some(InRollback { number, began })
            }
        }
    }

    /// Makes this the current rollback until the returned value is dropped.
    pub(crate) fn enter(self) -> Rolling {
        // An error: the thread is ending, and there is nothing to be restored.
        let number = ROLLBACK.try_with(|number| number.replace(self.number));
        let began = BEGAN.try_with(|began| began.replace(self.began));
        Rolling {
            number: number.unwrap_or(0),
            began: began.unwrap_or(0),
        }
    }
}

/// Restores the rollback that was current before.
#[must_use]
pub(crate) struct Rolling {
    number: Number,
    began: Number,
}

impl Drop for Rolling {
    fn drop(&mut self) {
        // An error: the thread is ending.
        let _ = ROLLBACK.try_with(|current| current.set(self.number));
        let _ = BEGAN.try_with(|current| current.set(self.began));
    }
}

/// While it lives, what this thread drops belongs together, and is in order, also what visits another lane.
#[must_use]
pub(crate) struct Unit(bool);

impl Unit {
    /// For contexts that were entered in these lanes. Nothing need be said where they are one and the same: there they are in order anyway.
    pub(crate) fn of(mut entered: impl Iterator<Item = super::Entered>) -> Option<Self> {
        let first = entered.next()?.lane;
        if entered.all(|entered| entered.lane == first) {
            return None;
        }
        UNIT.try_with(|unit| Unit(unit.replace(true))).ok()
    }

    pub(super) fn is_dropped() -> bool {
        UNIT.try_with(Cell::get).unwrap_or(false)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // An error: the thread is ending.
        let _ = UNIT.try_with(|unit| unit.set(self.0));
    }
}

/// What a rollback is known by while it is pending.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) runtime: RuntimeId,
    /// `None` for what is counted elsewhere: a rollback's second lane, an heir.
    pub(crate) stuck: Option<super::Stuck>,
}

impl Pending {
    /// An entry that stands for rollbacks in another lane.
    const ELSEWHERE: Self = Pending {
        runtime: None,
        stuck: None,
    };
}

/// A place in a lane: the number of a context, and what tells it from others of that number.
pub(super) type Place = (Number, u64);

/// A lane in use.
enum InTable {
    /// One rollback, and one teardown that waits for it at the most: what most lanes have. Without the latter it needs no allocation.
    One(Place, Pending, Option<Box<(Place, Waiting)>>),
    Many(Box<Many>),
}

struct Many {
    pending: Row,
    /// By the first number that they wait for.
    waiting: BTreeMap<Place, Waiting>,
}

/// A teardown that waits for numbers up to this one.
struct Waiting {
    end: Number,
    waker: Waker,
}

impl InTable {
    fn insert(&mut self, place: Place, pending: Pending, spare: &mut Option<Box<Many>>) {
        self.many(spare).pending.insert(place, pending);
    }

    fn wait(&mut self, place: Place, waiting: Waiting, spare: &mut Option<Box<Many>>) {
        match self {
            InTable::One(_, _, waits @ None) => *waits = Some(Box::new((place, waiting))),
            _ => {
                self.many(spare).waiting.insert(place, waiting);
            }
        }
    }

    /// Makes it one with room for many: `spare`, if there is that.
    fn many(&mut self, spare: &mut Option<Box<Many>>) -> &mut Many {
        if let InTable::One(..) = self {
            let many = spare.take().unwrap_or_else(|| Box::new(Many::none()));
            let one = mem::replace(self, InTable::Many(many));
            if let (InTable::One(place, pending, waiting), InTable::Many(many)) = (one, &mut *self)
            {
                many.pending.insert(place, pending);
                many.waiting.extend(waiting.map(|waiting| *waiting));
            }
        }
        match self {
            InTable::Many(many) => many,
            InTable::One(..) => unreachable!("it has just become many"),
        }
    }

    fn forget(&mut self, waiter: &Place) -> Option<Waiting> {
        match self {
            InTable::One(_, _, waiting) => {
                let waiting = waiting.take_if(|waiting| waiting.0 == *waiter)?;
                Some(waiting.1)
            }
            InTable::Many(many) => many.waiting.remove(waiter),
        }
    }

    fn pending(&self) -> impl Iterator<Item = (Number, &Pending)> {
        let (one, many) = match self {
            InTable::One((number, _), pending, _) => (Some((*number, pending)), None),
            InTable::Many(many) => (None, Some(many.pending.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The least of these numbers of which a rollback is pending.
    #[inline]
    fn first_in(&self, entered: Range<Number>) -> Option<Number> {
        match self {
            InTable::One((number, _), ..) => Some(*number).filter(|one| entered.contains(one)),
            InTable::Many(many) => many.first_in(entered),
        }
    }
}

impl Many {
    /// What is kept of it for the next lane, once nothing is pending: a row of a few.
    fn into_spare(self: Box<Self>) -> Option<Box<Self>> {
        Some(self).filter(|many| many.pending.is_few())
    }

    const fn none() -> Self {
        Many {
            pending: Row::new(),
            waiting: BTreeMap::new(),
        }
    }

    fn first_in(&self, entered: Range<Number>) -> Option<Number> {
        let first = self.pending.first_from(entered.start)?;
        (first < entered.end).then_some(first)
    }

    /// Takes out those who waited for `number` and wait for nothing else. They begin after the pending number before it, and end before the one after it.
    fn unblocked_by(&mut self, number: Number, wakers: &mut Wakers) {
        if self.waiting.is_empty() {
            return;
        }
        let first = self
            .pending
            .last_before(number)
            .map_or(0, |before| before + 1);
        let end = self.first_in(number..Number::MAX).unwrap_or(Number::MAX);
        let unblocked: Vec<Place> = self
            .waiting
            .range((first, 0)..=(number, Number::MAX))
            .filter(|(_, waiting)| waiting.end <= end)
            .map(|(place, _)| *place)
            .collect();
        let waiting = unblocked
            .iter()
            .filter_map(|place| self.waiting.remove(place));
        for waiting in waiting {
            wakers.push(waiting.waker);
        }
    }
}

type Lanes = HashMap<Lane, InTable, BuildHasherDefault<LaneHasher>>;

const NONE: Lanes = HashMap::with_hasher(BuildHasherDefault::new());

struct Table {
    lanes: Lanes,
    /// What was dropped in a lane but entered in another one.
    visitors: Lanes,
    /// How many counted rollbacks are pending on each runtime; none of them is zero.
    counts: Vec<(RuntimeId, usize)>,
    draining: Vec<Draining>,
    /// How many places are taken in all.
    taken: usize,
    /// How many of those in lanes of each kind. Mostly there are none of the kind that is looked for.
    of_kind: [usize; KINDS],
    /// Tells apart what has the same number.
    last: u64,
    /// Room for a lane's many, from when there were some: no more than one lane's.
    spare: Option<Box<Many>>,
}

struct Draining {
    runtime: RuntimeId,
    waiter: Number,
    waker: Waker,
}

impl Table {
    fn lanes(&mut self, visitors: bool) -> &mut Lanes {
        self.lanes_and_spare(visitors).0
    }

    #[inline]
    fn lanes_and_spare(&mut self, visitors: bool) -> (&mut Lanes, &mut Option<Box<Many>>) {
        let lanes = match visitors {
            true => &mut self.visitors,
            false => &mut self.lanes,
        };
        (lanes, &mut self.spare)
    }

    #[inline]
    fn is_any_blocked(&self, settled: &[Option<Settled>], floor: Number) -> bool {
        let mut settled = settled.iter().flatten();
        settled.any(|settled| settled.is_blocked(self, floor))
    }

    /// If any of these is pending: takes the waker, and wakes it when none of those is that are pending in the same lane.
    fn wait(
        &mut self,
        settled: &[Option<Settled>],
        floor: Number,
        waker: &mut Option<Waker>,
    ) -> Option<Waits> {
        for settled in settled.iter().flatten() {
            let range = settled.range(floor);
            let place = (range.start, self.next_distinction());
            for visitors in [false, settled.visitors] {
                let (lanes, spare) = self.lanes_and_spare(visitors);
                let Some(in_lane) = lanes.get_mut(&settled.lane) else {
                    continue;
                };
                if in_lane.first_in(range.clone()).is_some() {
                    let (end, waker) = (range.end, waker.take()?);
                    in_lane.wait(place, Waiting { end, waker }, spare);
                    return Some(Waits(settled.lane, visitors, place));
                }
            }
        }
        None
    }

    /// The least of these numbers of which a rollback is pending in this lane.
    #[inline]
    fn first_in(&self, lane: Lane, visitors: bool, entered: Range<Number>) -> Option<Number> {
        let natives = self.lanes.get(&lane);
        let first = natives.and_then(|in_lane| in_lane.first_in(entered.clone()));
        if !visitors || self.visitors.is_empty() {
            return first;
        }
        let visitors = self.visitors.get(&lane);
        let other = visitors.and_then(|in_lane| in_lane.first_in(entered));
        first.into_iter().chain(other).min()
    }

    /// Whether any place is taken in lanes of this kind.
    #[inline]
    fn has_any(&self, kind: usize) -> bool {
        self.of_kind[kind] != 0
    }

    /// Whether any rollback is pending in a lane that is some `with`'s own.
    #[inline]
    fn is_any_inside(&self) -> bool {
        self.has_any(Of::Body as usize) || self.has_any(Of::Frame as usize)
    }

    fn next_distinction(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn insert(&mut self, lane: Lane, visits: bool, place: Place, pending: Pending) {
        if pending.stuck.is_some() {
            self.count_up(pending.runtime);
        }
        let (lanes, spare) = self.lanes_and_spare(visits);
        match lanes.entry(lane) {
            Entry::Vacant(vacant) => {
                vacant.insert(InTable::One(place, pending, None));
            }
            Entry::Occupied(mut occupied) => occupied.get_mut().insert(place, pending, spare),
        }
        self.taken += 1;
        self.of_kind[lane.kind()] += 1;
        self.publish();
    }

    /// The rollback is over; takes out who has waited for that.
    fn remove(&mut self, lane: Lane, visits: bool, place: Place, wakers: &mut Wakers) {
        let (lanes, spare) = self.lanes_and_spare(visits);
        let Entry::Occupied(mut occupied) = lanes.entry(lane) else {
            return;
        };
        let over = match occupied.get_mut() {
            InTable::One(one, ..) if *one == place => {
                let InTable::One(_, over, waiting) = occupied.remove() else {
                    unreachable!("it is one");
                };
                // Whatever it waits for, nothing of that is pending now.
                if let Some(waiting) = waiting {
                    wakers.push(waiting.1.waker);
                }
                over
            }
            InTable::One(..) => return,
            InTable::Many(many) => {
                let Some(over) = many.pending.remove(place) else {
                    return;
                };
                many.unblocked_by(place.0, wakers);
                if many.pending.is_empty() {
                    if let InTable::Many(many) = occupied.remove() {
                        *spare = many.into_spare();
                    }
                }
                over
            }
        };
        if lanes.is_empty() && lanes.capacity() > ROOM {
            // After many at once: not kept for good.
            *lanes = NONE;
        }
        self.taken -= 1;
        self.of_kind[lane.kind()] -= 1;
        self.publish();
        if over.stuck.is_some() {
            self.count_down(over.runtime, wakers);
        }
    }

    /// Says what is pending to those who don't lock the table.
    #[inline]
    fn publish(&self) {
        let crowded = self.taken != self.lanes.len();
        PENDING.store(self.taken << 1 | usize::from(crowded), Ordering::Release);
    }

    /// How many rollbacks belong to `runtime`: those that run on it, or nobody knows where; for `None`, all.
    fn count(&self, runtime: RuntimeId) -> usize {
        let counts = self.counts.iter();
        let belonging = counts.filter(|(pending, _)| belongs(*pending, runtime));
        belonging.map(|(_, count)| count).sum()
    }

    /// A counted rollback of a context with a higher number, and its lane.
    fn any_later(&self, number: Number, runtime: RuntimeId) -> Option<(Lane, Number)> {
        self.lanes.iter().find_map(|(lane, in_lane)| {
            let mut pending = in_lane.pending();
            let later = pending.find(|(other, pending)| {
                *other > number && pending.stuck.is_some() && belongs(pending.runtime, runtime)
            });
            Some((*lane, later?.0))
        })
    }

    fn count_up(&mut self, runtime: RuntimeId) {
        match self.counts.iter_mut().find(|(known, _)| *known == runtime) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((runtime, 1)),
        }
    }

    /// One rollback less on `runtime`; takes out who has waited for that.
    fn count_down(&mut self, runtime: RuntimeId, wakers: &mut Wakers) {
        let Some(at) = self.counts.iter().position(|(known, _)| *known == runtime) else {
            return;
        };
        let (_, count) = &mut self.counts[at];
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.counts.swap_remove(at);
        // In place: the next one who drains needs no allocation.
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

/// How many places are taken in all, and in the last bit, whether any lane has more than one, or visitors: what is looked at first, so that nothing is locked
/// where there is none. It changes under the table's lock only.
///
/// Whoever looks after a rollback was started (in the sense of the memory model) sees that, or what has become of it since; and whoever sees that it is over
/// sees what it has done.
static PENDING: AtomicUsize = AtomicUsize::new(0);

static TABLE: Mutex<Table> = Mutex::new(Table {
    lanes: NONE,
    visitors: NONE,
    counts: Vec::new(),
    draining: Vec::new(),
    taken: 0,
    of_kind: [0; KINDS],
    last: 0,
    spare: None,
});

#[inline]
fn table() -> MutexGuard<'static, Table> {
    // Nothing in this module panics with the table half-changed.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many lanes an empty table has room for at the most.
const ROOM: usize = 1_000;

/// A place in a lane that stands for a rollback elsewhere; its drop says that that is over.
pub(crate) struct Ticket {
    lane: Lane,
    visits: bool,
    place: Place,
}

impl Ticket {
    fn take(lane: Lane, visits: bool, number: Number) -> Self {
        let mut table = table();
        let place = (number, table.next_distinction());
        table.insert(lane, visits, place, Pending::ELSEWHERE);
        Ticket {
            lane,
            visits,
            place,
        }
    }

    /// For a lane whose owner is gone, in the one around it.
    fn heir(lane: Lane, number: Number) -> Self {
        Ticket::take(lane, false, number)
    }

    /// In the lane that a context was dropped in.
    pub(crate) fn visitor(lane: Lane, number: Number) -> Self {
        Ticket::take(lane, true, number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut wakers = Wakers::default();
        table().remove(self.lane, self.visits, self.place, &mut wakers);
        wakers.wake();
    }
}

/// Takes the one counted place of a context in its lane.
#[inline]
pub(crate) fn insert(lane: Lane, number: Number, pending: Pending) {
    table().insert(lane, false, (number, 0), pending);
}

/// The same for a `with`; says whether any of `lanes`, which are its own two, has to be waited for.
#[inline]
pub(crate) fn insert_around(
    lane: Lane,
    number: Number,
    pending: Pending,
    lanes: impl FnOnce() -> [Option<Settled>; 3],
) -> bool {
    let mut table = table();
    let blocked = table.is_any_inside() && table.is_any_blocked(&lanes(), 0);
    table.insert(lane, false, (number, 0), pending);
    blocked
}

/// Whether any of `lanes` has to be waited for, looking at rollbacks of contexts entered after `floor` only.
pub(crate) fn are_blocked(lanes: &[Option<Settled>], floor: Number) -> bool {
    table().is_any_blocked(lanes, floor)
}

/// Whether another rollback is pending than the one that asks.
#[inline]
pub(crate) fn any_other_pending() -> bool {
    PENDING.load(Ordering::Acquire) >> 1 > 1
}

/// Whether any lane has more than one rollback pending, or visitors: else whoever has a place in one is alone there.
#[inline]
pub(crate) fn is_any_crowded() -> bool {
    PENDING.load(Ordering::Acquire) & 1 != 0
}

/// Gives that place up.
pub(crate) fn remove(lane: Lane, number: Number) {
    let mut wakers = Wakers::default();
    table().remove(lane, false, (number, 0), &mut wakers);
    wakers.wake();
}

/// Gives that place up, unless something is pending there. `true` if it is given up.
pub(crate) fn remove_unless(lane: Lane, number: Number, there: &Settled) -> bool {
    let mut wakers = Wakers::default();
    let mut table = table();
    if there.is_blocked(&table, 0) {
        return false;
    }
    table.remove(lane, false, (number, 0), &mut wakers);
    drop(table);
    wakers.wake();
    true
}

/// Those whom the end of a rollback wakes: mostly nobody, or one.
#[derive(Default)]
struct Wakers {
    one: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    #[inline]
    fn push(&mut self, waker: Waker) {
        if self.one.is_none() {
            self.one = Some(waker);
        } else {
            self.more.push(waker);
        }
    }

    /// Wakes them, without a lock held. A waker that panics keeps nobody else waiting.
    //
    // By reference: moved, they would be copied in another width than they were written in, and wait for that.
    #[inline]
    fn wake(&mut self) {
        if self.one.is_some() || !self.more.is_empty() {
            self.wake_all();
        }
    }

    #[inline(never)]
    fn wake_all(&mut self) {
        for waker in self.one.take().into_iter().chain(self.more.drain(..)) {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                crate::report::discard(payload);
            }
        }
    }
}

/// Whether any rollback is pending anywhere.
#[inline]
pub(crate) fn any_pending() -> bool {
    PENDING.load(Ordering::Acquire) != 0
}

/// Leaves the rollbacks of contexts entered after `above` that are pending in `lane`, whose owner is gone, to the lane `around` it, as if they
/// were of the context `number` there; for `None`, of the first of themselves.
#[inline]
pub(crate) fn leave(lane: Lane, above: Number, around: Lane, number: Option<Number>) {
    if any_pending() {
        leave_pending(lane, above, around, number);
    }
}

#[cold]
fn leave_pending(lane: Lane, above: Number, around: Lane, number: Option<Number>) {
    let entered = above + 1..Number::MAX;
    let first = table().first_in(lane, true, entered.clone());
    if let Some(first) = first {
        let settled = Settled::new(lane, entered);
        let place = Ticket::heir(around, number.unwrap_or(first));
        Arc::new(Heir(Mutex::new(Some((settled, Waiter::default(), place))))).wake();
    }
}

/// Waits for a lane as its own waker, holding a place in the lane around it.
struct Heir(Mutex<Option<(Settled, Waiter, Ticket)>>);

impl Wake for Heir {
    fn wake(self: Arc<Self>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = Waker::from(self.clone());
        let over = match &mut *held {
            Some((settled, waiter, _)) => {
                let settled = [Some(settled.clone())];
                let mut cx = Context::from_waker(&waker);
                waiter.poll(&settled, &mut cx, 0).is_ready()
            }
            None => false,
        };
        let over = if over { held.take() } else { None };
        drop(held);
        drop(over);
    }
}

/// What is waited for: rollbacks of contexts with one of these numbers that are pending in `lane`.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    lane: Lane,
    visitors: bool,
    entered: Range<Number>,
}

impl Settled {
    /// Natives and visitors.
    #[inline]
    pub(crate) fn new(lane: Lane, entered: Range<Number>) -> Self {
        Settled {
            lane,
            visitors: true,
            entered,
        }
    }

    /// Those only that were entered in the lane.
    pub(crate) fn natives(lane: Lane, entered: Range<Number>) -> Self {
        let mut settled = Settled::new(lane, entered);
        settled.visitors = false;
        settled
    }

    fn range(&self, floor: Number) -> Range<Number> {
        self.entered.start.max(floor + 1)..self.entered.end
    }

    #[inline]
    fn is_blocked(&self, table: &Table, floor: Number) -> bool {
        if !table.has_any(self.lane.kind()) {
            return false;
        }
        let first = table.first_in(self.lane, self.visitors, self.range(floor));
        first.is_some()
    }
}

/// One who waits for rollbacks, and where, if it has to. One word, since it moves with rollbacks that mostly don't.
#[derive(Default, Debug)]
pub(crate) struct Waiter(Option<Box<Waits>>);

/// A lane, whether it is with the visitors there, and its place among those who wait.
#[derive(Debug)]
struct Waits(Lane, bool, Place);

impl Waiter {
    /// Waits until none of these is pending. Looks at rollbacks of contexts entered after `floor` only.
    pub(crate) fn poll(
        &mut self,
        settled: &[Option<Settled>],
        cx: &mut Context<'_>,
        floor: Number,
    ) -> Poll<()> {
        let mut table = table();
        if table.is_any_blocked(settled, floor) {
            drop(table);
            return self.wait(settled, cx, floor);
        }
        let waiting = self.leave(&mut table);
        drop(table);
        drop(waiting);
        Poll::Ready(())
    }

    /// The same, where it is known that one is pending.
    #[cold]
    fn wait(
        &mut self,
        settled: &[Option<Settled>],
        cx: &mut Context<'_>,
        floor: Number,
    ) -> Poll<()> {
        // Outside of the lock: wakers are code of the user's.
        let mut waker = Some(cx.waker().clone());
        let mut table = table();
        let old = self.leave(&mut table);
        let waits = table.wait(settled, floor, &mut waker);
        drop(table);
        self.0 = waits.map(Box::new);
        drop((old, waker));
        match self.0 {
            Some(_) => Poll::Pending,
            // Over in the meantime.
            None => Poll::Ready(()),
        }
    }

    fn leave(&mut self, table: &mut Table) -> Option<Waiting> {
        let Waits(lane, visitors, place) = *self.0.take()?;
        let in_lane = table.lanes(visitors).get_mut(&lane)?;
        in_lane.forget(&place)
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            let mut table = table();
            let waiting = self.leave(&mut table);
            drop(table);
            drop(waiting);
        }
    }
}

/// The pending rollbacks that run on `runtime`, or all of them for `None`.
pub(crate) fn pending_on(runtime: RuntimeId) -> Vec<super::Stuck> {
    let table = table();
    let lanes = table.lanes.values();
    let mut pending: Vec<_> = lanes
        .flat_map(InTable::pending)
        .filter(|(_, pending)| belongs(pending.runtime, runtime))
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

/// Waits until no rollback that runs on `runtime` is pending; in a rollback, until none is of a context that was entered after its own.
pub(crate) struct Drained {
    runtime: RuntimeId,
    waiter: Number,
    inside: Option<Number>,
    /// One of those, in a rollback.
    later: Option<([Option<Settled>; 1], Waiter)>,
}

impl Drained {
    #[inline]
    pub(crate) fn new(runtime: RuntimeId) -> Self {
        Drained {
            runtime,
            waiter: next_number(),
            inside: InRollback::current().map(|rollback| rollback.number),
            later: None,
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !any_pending() {
            return Poll::Ready(());
        }
        if let Some(number) = self.inside {
            return self.poll_later(number, cx);
        }
        let waker = cx.waker().clone();
        let mut table = table();
        let old = self.leave(&mut table);
        let blocked = table.count(self.runtime) > 0;
        if blocked {
            table.draining.push(Draining {
                runtime: self.runtime,
                waiter: self.waiter,
                waker,
            });
        }
        drop(table);
        drop(old);
        if blocked {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// As everything in a rollback, this waits for higher numbers only: what is around may be waiting for this one.
    #[cold]
    fn poll_later(&mut self, number: Number, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some((later, waiter)) = &mut self.later {
                ready!(waiter.poll(later, cx, 0));
                self.later = None;
            }
            let Some((lane, later)) = table().any_later(number, self.runtime) else {
                return Poll::Ready(());
            };
            let later = Settled::new(lane, later..later + 1);
            self.later = Some(([Some(later)], Waiter::default()));
        }
    }

    fn leave(&self, table: &mut Table) -> Option<Draining> {
        let mut draining = table.draining.iter();
        let at = draining.position(|draining| draining.waiter == self.waiter)?;
        Some(table.draining.swap_remove(at))
    }
}

impl Drop for Drained {
    #[inline]
    fn drop(&mut self) {
        let mut table = table();
        let old = self.leave(&mut table);
        drop(table);
        drop(old);
    }
}

/// How many lanes are in the table: for tests that nothing is left behind.
#[doc(hidden)]
pub fn lanes_in_use() -> usize {
    let table = table();
    table.lanes.len() + table.visitors.len()
}
