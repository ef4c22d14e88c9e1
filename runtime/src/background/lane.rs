//! Lanes: which rollbacks a teardown waits for.
//!
//! Every entered context has a number, later ones higher ones, and a lane: that of the `with` it was entered in, else of the task, else of the
//! thread. Every `with` is a lane of its own for what its body enters. A lane exists in the table only while a rollback in it is pending or
//! awaited, so that lanes nobody uses cost nothing and leave nothing behind.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Where a context was entered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Lane {
    /// The body of the `with` of that number.
    Body(Number),
    /// A branch separated by `background::lane`.
    Branch(Number),
    #[cfg(feature = "tokio")]
    Task(tokio::task::Id),
    Thread(Number),
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
        Lane::Thread(
            THREAD
                .try_with(|thread| {
                    if thread.get() == 0 {
                        thread.set(next_number());
                    }
                    thread.get()
                })
                .unwrap_or(0),
        )
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

/// What a rollback is known by while it is pending.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) number: Number,
    pub(crate) runtime: RuntimeId,
    pub(crate) stuck: super::Stuck,
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
}

impl Ticket {
    #[inline]
    pub(crate) fn new(lane: Lane, pending: Pending) -> Self {
        let number = pending.number;
        PENDING.fetch_add(1, Ordering::SeqCst);
        table().lanes.entry(lane).or_default().pending.push(pending);
        Ticket { lane, number }
    }

    /// The rollback turns out to run on this runtime.
    pub(crate) fn set_runtime(&self, runtime: RuntimeId) {
        if let Some(lane) = table().lanes.get_mut(&self.lane) {
            for pending in &mut lane.pending {
                if pending.number == self.number {
                    pending.runtime = runtime;
                }
            }
        }
    }
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        let mut table = table();
        let mut wakers = Vec::new();
        if let Some(lane) = table.lanes.get_mut(&self.lane) {
            if let Some(at) = lane
                .pending
                .iter()
                .position(|pending| pending.number == self.number)
            {
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
            waker.wake();
        }
    }
}

/// Waits until no rollback of a context entered after `above` is pending in `lane`.
#[derive(Debug)]
pub(crate) struct Settled {
    lane: Lane,
    above: Number,
    waiter: Number,
}

impl Settled {
    #[inline]
    pub(crate) fn new(lane: Lane, above: Number) -> Self {
        Settled {
            lane,
            above,
            waiter: 0,
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if PENDING.load(Ordering::SeqCst) == 0 {
            return Poll::Ready(());
        }
        self.poll_pending(cx)
    }

    #[cold]
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let runtime = super::current_runtime();
        let mut waker = Some(cx.waker().clone());
        let mut table = table();
        let Some(lane) = table.lanes.get_mut(&self.lane) else {
            return Poll::Ready(());
        };
        // A thread may drive one runtime after another: what belongs to one that isn't driven now is not waited for.
        let blocked = lane.pending.iter().any(|pending| {
            pending.number > self.above
                && (runtime.is_none() || pending.runtime.is_none() || pending.runtime == runtime)
        });
        if !blocked {
            lane.waiting.retain(|(waiter, _)| *waiter != self.waiter);
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
        .map(|pending| (pending.number, pending.stuck.clone()))
        .collect();
    drop(table);
    pending.sort_by_key(|(number, _)| *number);
    pending.into_iter().map(|(_, stuck)| stuck).collect()
}

fn belongs(pending: &Pending, runtime: RuntimeId) -> bool {
    runtime.is_none() || pending.runtime.is_none() || pending.runtime == runtime
}

pub(crate) fn count_on(runtime: RuntimeId) -> usize {
    if PENDING.load(Ordering::SeqCst) == 0 {
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
        if PENDING.load(Ordering::SeqCst) == 0 {
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
