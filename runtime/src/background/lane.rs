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
    collections::HashMap,
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

#[derive(Default)]
struct InTable {
    pending: Vec<Pending>,
    waiting: Vec<(Number, Waker)>,
}

#[derive(Default)]
struct Table {
    lanes: HashMap<Lane, InTable>,
    draining: Vec<(Number, Waker)>,
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
    number: Number,
    counted: bool,
}

impl Ticket {
    /// Whether this is the ticket's entry. There may be another one of that number, which isn't counted.
    fn is(&self, pending: &Pending) -> bool {
        pending.number == self.number && pending.stuck.is_some() == self.counted
    }
}

impl Ticket {
    #[inline]
    pub(crate) fn new(lane: Lane, pending: Pending) -> Self {
        let number = pending.number;
        let counted = pending.stuck.is_some();
        PENDING.fetch_add(1, Ordering::SeqCst);
        table().lanes.entry(lane).or_default().pending.push(pending);
        Ticket {
            lane,
            number,
            counted,
        }
    }
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        let mut table = table();
        let mut wakers = Vec::new();
        if let Some(lane) = table.lanes.get_mut(&self.lane) {
            if let Some(at) = lane.pending.iter().position(|pending| self.is(pending)) {
                lane.pending.swap_remove(at);
            }
            wakers.append(&mut lane.waiting);
            if lane.pending.is_empty() {
                table.lanes.remove(&self.lane);
            }
        }
        wakers.append(&mut table.draining);
        PENDING.fetch_sub(1, Ordering::SeqCst);
        drop(table);
        for (_, waker) in wakers {
            // A waker that panics keeps nobody else waiting.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                crate::report::discard(payload);
            }
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
    let first = table().lanes.get(&lane).and_then(|lane| {
        let numbers = lane.pending.iter().map(|pending| pending.number);
        numbers.filter(|number| entered.contains(number)).min()
    });
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
    waiter: Number,
}

impl Settled {
    #[inline]
    pub(crate) fn new(lane: Lane, entered: Range<Number>) -> Self {
        Settled {
            lane,
            entered,
            waiter: 0,
        }
    }

    /// Looks at rollbacks of contexts entered after `floor` only.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, floor: Number) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let mut table = table();
        let Some(lane) = table.lanes.get_mut(&self.lane) else {
            return Poll::Ready(());
        };
        let blocked = lane
            .pending
            .iter()
            .any(|pending| pending.number > floor && self.entered.contains(&pending.number));
        if !blocked {
            return Poll::Ready(());
        }
        if self.waiter == 0 {
            self.waiter = next_number();
        }
        let old = wait(&mut lane.waiting, self.waiter, &mut waker);
        drop(table);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Settled {
    #[inline]
    fn drop(&mut self) {
        if self.waiter != 0 {
            self.forget_waiter();
        }
    }
}

impl Settled {
    #[cold]
    fn forget_waiter(&mut self) {
        let mut table = table();
        let Some(lane) = table.lanes.get_mut(&self.lane) else {
            return;
        };
        let at = lane
            .waiting
            .iter()
            .position(|(waiter, _)| *waiter == self.waiter);
        let waker = at.map(|at| lane.waiting.swap_remove(at));
        drop(table);
        drop(waker);
    }
}

/// Registers `waker`; returns the one it replaces.
fn wait(
    waiting: &mut Vec<(Number, Waker)>,
    waiter: Number,
    waker: &mut Option<Waker>,
) -> Option<Waker> {
    let waker = waker.take()?;
    match waiting.iter_mut().find(|(other, _)| *other == waiter) {
        Some((_, old)) => Some(std::mem::replace(old, waker)),
        None => {
            waiting.push((waiter, waker));
            None
        }
    }
}

/// The pending rollbacks that run on `runtime`, or all of them for `None`.
pub(crate) fn pending_on(runtime: RuntimeId) -> Vec<super::Stuck> {
    let table = table();
    let mut pending: Vec<_> = table
        .lanes
        .values()
        .flat_map(|lane| &lane.pending)
        .filter(|pending| belongs(pending, runtime))
        .filter_map(|pending| Some((pending.number, pending.stuck.clone()?)))
        .collect();
    drop(table);
    pending.sort_by_key(|(number, _)| *number);
    pending.into_iter().map(|(_, stuck)| stuck).collect()
}

fn belongs(pending: &Pending, runtime: RuntimeId) -> bool {
    pending.stuck.is_some()
        && (runtime.is_none() || pending.runtime.is_none() || pending.runtime == runtime)
}

pub(crate) fn count_on(runtime: RuntimeId) -> usize {
    if !any_pending() {
        return 0;
    }
    table()
        .lanes
        .values()
        .flat_map(|lane| &lane.pending)
        .filter(|pending| belongs(pending, runtime))
        .count()
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
        let mut waker = Some(cx.waker().clone());
        let mut table = table();
        let blocked = table
            .lanes
            .values()
            .flat_map(|lane| &lane.pending)
            .any(|pending| belongs(pending, self.runtime));
        if !blocked {
            return Poll::Ready(());
        }
        let old = wait(&mut table.draining, self.waiter, &mut waker);
        drop(table);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Drained {
    #[inline]
    fn drop(&mut self) {
        let mut table = table();
        let at = table
            .draining
            .iter()
            .position(|(waiter, _)| *waiter == self.waiter);
        let waker = at.map(|at| table.draining.swap_remove(at));
        drop(table);
        drop(waker);
    }
}

/// How many lanes are in the table: for tests that nothing is left behind.
#[doc(hidden)]
pub fn lanes_in_use() -> usize {
    table().lanes.len()
}
