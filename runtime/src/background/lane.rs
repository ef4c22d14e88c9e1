//! Lanes: which rollbacks a teardown waits for.
//!
//! Every entered context has a number, later ones higher ones, and a lane: that of the `with` it was entered in, else of the task, else of the
//! thread. Every `with` has two lanes of its own, for what its body and for what its context function enters. A lane exists in the table only while
//! a rollback in it is pending, so that lanes nobody uses cost nothing and leave nothing behind.
//!
//! A teardown waits for the rollbacks of contexts that were entered in its lane after its own and before it began (a later one may need what this one
//! gives back). So everything waits for higher numbers only, never in a circle. A lane whose owner is gone while rollbacks in it are pending has an
//! *heir*: an entry in the lane around it that lasts as long as they do.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    mem,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Where a context was entered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Lane {
    /// The body of the `with` of that number.
    Body(Number),
    /// The context function of that number: in closure style all of it, in guard style its rollback.
    Frame(Number),
    /// A branch separated by `background::lane`.
    Branch(Number),
    #[cfg(feature = "tokio")]
    Task(tokio::task::Id),
    /// A thread, off a runtime or while it drives the root future of that one.
    Thread(Number, RuntimeId),
}

/// The runtime that a rollback runs on, if it runs on one that we know.
#[cfg(feature = "tokio")]
pub(crate) type RuntimeId = Option<tokio::runtime::Id>;
#[cfg(not(feature = "tokio"))]
pub(crate) type RuntimeId = Option<std::convert::Infallible>;

/// The number of an entered context, in the order of entering.
pub(crate) type Number = u64;

#[inline]
pub(crate) fn next_number() -> Number {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

thread_local! {
    static CURRENT: Cell<Option<Lane>> = const { Cell::new(None) };
    static ROLLBACK: Cell<Option<InRollback>> = const { Cell::new(None) };
    static THREAD: Cell<Number> = const { Cell::new(0) };
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
            return Lane::Task(task);
        }
        let thread = THREAD.try_with(|thread| {
            if thread.get() == 0 {
                thread.set(next_number());
            }
            thread.get()
        });
        // An error: the thread is ending, and its variables are gone.
        Lane::Thread(thread.unwrap_or(0), super::current_runtime())
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
        ROLLBACK.try_with(Cell::get).ok().flatten()
    }

    /// Makes this the current rollback until the returned value is dropped.
    pub(crate) fn enter(self) -> Rolling {
        Rolling(
            ROLLBACK
                .try_with(|current| current.replace(Some(self)))
                .ok()
                .flatten(),
        )
    }
}

/// Restores the rollback that was current before.
#[must_use]
pub(crate) struct Rolling(Option<InRollback>);

impl Drop for Rolling {
    fn drop(&mut self) {
        // An error: the thread is ending.
        let _ = ROLLBACK.try_with(|current| current.set(self.0));
    }
}

/// What a rollback is known by while it is pending.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) number: Number,
    pub(crate) runtime: RuntimeId,
    /// `None` for what is counted elsewhere: a rollback's second lane, an heir.
    pub(crate) stuck: Option<super::Stuck>,
}

impl Pending {
    /// An entry that stands for rollbacks in another lane.
    pub(crate) fn elsewhere(number: Number) -> Self {
        Pending {
            number,
            runtime: None,
            stuck: None,
        }
    }
}

/// A place in a lane: the number of a context, and what tells it from others of that number.
type Place = (Number, Number);

/// A lane in use. Ordered, so that a stack of a hundred thousand entries is rolled back in steps that cost the same each.
#[derive(Default)]
struct InTable {
    pending: BTreeMap<Place, Pending>,
    /// By the first number that they wait for.
    waiting: BTreeMap<Place, Waiting>,
}

/// A teardown that waits for numbers up to this one.
struct Waiting {
    end: Number,
    waker: Waker,
}

impl InTable {
    /// Whether a rollback with one of these numbers is pending.
    fn is_blocked(&self, entered: Range<Number>) -> bool {
        self.first_in(entered).is_some()
    }

    fn first_in(&self, entered: Range<Number>) -> Option<Number> {
        if entered.is_empty() {
            return None;
        }
        let mut pending = self.pending.range((entered.start, 0)..(entered.end, 0));
        pending.next().map(|((number, _), _)| *number)
    }

    /// Takes out those who waited for `number` and wait for nothing else. They begin after the pending number before it, and end before the one after it.
    fn unblocked_by(&mut self, number: Number, wakers: &mut Vec<Waker>) {
        let before = self.pending.range(..(number, 0)).next_back();
        let first = before.map_or(0, |((before, _), _)| before + 1);
        let after = self.pending.range((number, 0)..).next();
        let end = after.map_or(Number::MAX, |((after, _), _)| *after);
        let unblocked: Vec<Place> = self
            .waiting
            .range((first, 0)..=(number, Number::MAX))
            .filter(|(_, waiting)| waiting.end <= end)
            .map(|(place, _)| *place)
            .collect();
        let waiting = unblocked
            .iter()
            .filter_map(|place| self.waiting.remove(place));
        wakers.extend(waiting.map(|waiting| waiting.waker));
    }
}

#[derive(Default)]
struct Table {
    lanes: HashMap<Lane, InTable>,
    /// How many counted rollbacks are pending on each runtime; none of them is zero.
    counts: Vec<(RuntimeId, usize)>,
    draining: Vec<Draining>,
}

struct Draining {
    runtime: RuntimeId,
    waiter: Number,
    waker: Waker,
}

impl Table {
    /// How many rollbacks belong to `runtime`: those that run on it, or nobody knows where; for `None`, all.
    fn count(&self, runtime: RuntimeId) -> usize {
        let counts = self.counts.iter();
        let belonging = counts.filter(|(pending, _)| belongs(*pending, runtime));
        belonging.map(|(_, count)| count).sum()
    }

    fn count_up(&mut self, runtime: RuntimeId) {
        match self.counts.iter_mut().find(|(known, _)| *known == runtime) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((runtime, 1)),
        }
    }

    /// One rollback less on `runtime`; takes out who has waited for that.
    fn count_down(&mut self, runtime: RuntimeId, wakers: &mut Vec<Waker>) {
        let Some(at) = self.counts.iter().position(|(known, _)| *known == runtime) else {
            return;
        };
        let (_, count) = &mut self.counts[at];
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.counts.swap_remove(at);
        for draining in mem::take(&mut self.draining) {
            if self.count(draining.runtime) == 0 {
                wakers.push(draining.waker);
            } else {
                self.draining.push(draining);
            }
        }
    }
}

/// How many rollbacks are pending in all: what is looked at first, so that nothing is locked where there is none.
static PENDING: AtomicUsize = AtomicUsize::new(0);
static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    // Nothing in this module panics with the table half-changed.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pending rollback's place in its lane; its drop says that the rollback is over.
pub(crate) struct Ticket {
    lane: Lane,
    place: Place,
}

impl Ticket {
    #[inline]
    pub(crate) fn new(lane: Lane, pending: Pending) -> Self {
        let counted = pending.stuck.is_some();
        let place = (pending.number, if counted { 0 } else { next_number() });
        PENDING.fetch_add(1, Ordering::SeqCst);
        let mut table = table();
        if counted {
            table.count_up(pending.runtime);
        }
        let in_lane = table.lanes.entry(lane).or_default();
        in_lane.pending.insert(place, pending);
        Ticket { lane, place }
    }
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        let mut wakers = Vec::new();
        let mut table = table();
        if let Some(in_lane) = table.lanes.get_mut(&self.lane) {
            let over = in_lane.pending.remove(&self.place);
            in_lane.unblocked_by(self.place.0, &mut wakers);
            if in_lane.pending.is_empty() {
                table.lanes.remove(&self.lane);
            }
            if let Some(over) = over.filter(|over| over.stuck.is_some()) {
                table.count_down(over.runtime, &mut wakers);
            }
        }
        PENDING.fetch_sub(1, Ordering::SeqCst);
        drop(table);
        wake_all(wakers);
    }
}

/// Wakes them, without a lock held. A waker that panics keeps nobody else waiting.
fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            crate::report::discard(payload);
        }
    }
}

/// Whether any rollback is pending anywhere.
#[inline]
pub(crate) fn any_pending() -> bool {
    PENDING.load(Ordering::SeqCst) != 0
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
    let first = table()
        .lanes
        .get(&lane)
        .and_then(|in_lane| in_lane.first_in(entered.clone()));
    if let Some(first) = first {
        let settled = Settled::new(lane, entered);
        let place = Ticket::new(around, Pending::elsewhere(number.unwrap_or(first)));
        Arc::new(Heir(Mutex::new(Some((settled, place))))).wake();
    }
}

/// Waits for a lane as its own waker, holding a place in the lane around it.
struct Heir(Mutex<Option<(Settled, Ticket)>>);

impl Wake for Heir {
    fn wake(self: Arc<Self>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = Waker::from(self.clone());
        let over = match &mut *held {
            Some((settled, _)) => settled.poll(&mut Context::from_waker(&waker), 0).is_ready(),
            None => false,
        };
        let over = if over { held.take() } else { None };
        drop(held);
        drop(over);
    }
}

/// Waits until no rollback of a context with one of these numbers is pending in `lane`.
#[derive(Debug)]
pub(crate) struct Settled {
    lane: Lane,
    entered: Range<Number>,
    /// Where it is among those who wait, if it has waited.
    place: Option<Place>,
}

impl Settled {
    #[inline]
    pub(crate) fn new(lane: Lane, entered: Range<Number>) -> Self {
        Settled {
            lane,
            entered,
            place: None,
        }
    }

    /// Looks at rollbacks of contexts entered after `floor` only.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, floor: Number) -> Poll<()> {
        // Outside of the lock, here and at the end of the function: wakers are code of the user's.
        let mut waker = Some(cx.waker().clone());
        let start = self.entered.start.max(floor + 1);
        let end = self.entered.end;
        let mut table = table();
        let Some(in_lane) = table.lanes.get_mut(&self.lane) else {
            self.place = None;
            return Poll::Ready(());
        };
        let old = self.place.and_then(|place| in_lane.waiting.remove(&place));
        let waiter = self.place.take().map(|(_, waiter)| waiter);
        let blocked = in_lane.is_blocked(start..end);
        if let Some(waker) = waker.take_if(|_| blocked) {
            let place = (start, waiter.unwrap_or_else(next_number));
            in_lane.waiting.insert(place, Waiting { end, waker });
            self.place = Some(place);
        }
        drop(table);
        drop(old);
        if blocked {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl Drop for Settled {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.forget(place);
        }
    }
}

impl Settled {
    #[cold]
    fn forget(&self, place: Place) {
        let mut table = table();
        let in_lane = table.lanes.get_mut(&self.lane);
        let waiting = in_lane.and_then(|in_lane| in_lane.waiting.remove(&place));
        drop(table);
        drop(waiting);
    }
}

/// The pending rollbacks that run on `runtime`, or all of them for `None`.
pub(crate) fn pending_on(runtime: RuntimeId) -> Vec<super::Stuck> {
    let table = table();
    let lanes = table.lanes.values();
    let mut pending: Vec<_> = lanes
        .flat_map(|in_lane| in_lane.pending.values())
        .filter(|pending| belongs(pending.runtime, runtime))
        .filter_map(|pending| Some((pending.number, pending.stuck.clone()?)))
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

/// Waits until no rollback that runs on `runtime` is pending.
pub(crate) struct Drained {
    runtime: RuntimeId,
    waiter: Number,
}

impl Drained {
    #[inline]
    pub(crate) fn new(runtime: RuntimeId) -> Self {
        Drained {
            runtime,
            waiter: next_number(),
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !any_pending() {
            return Poll::Ready(());
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
    table().lanes.len()
}
