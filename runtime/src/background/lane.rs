//! Lanes: which rollbacks a teardown waits for.
//!
//! Every entered context has a number, later ones higher ones, and a lane: that of the `with` it was entered in, else of the task, else of the
//! thread. Every `with` has two lanes of its own, for what its body and for what its context function enters. A lane exists in the table only while
//! a rollback in it is pending, so that lanes nobody uses cost nothing and leave nothing behind.
//!
//! A teardown waits for the rollbacks of contexts that were entered in its lane after its own and before it began (a later one may need what this one
//! gives back). So everything waits for higher numbers only, never in a circle. (A branch is numbered when it begins; if that is in another task, or in a rollback, when it was made, too: a group of tasks is rolled back, and ends
//! a task that has begun since.) A lane whose owner is gone while rollbacks in it are pending has an
//! *heir*: an entry in the lane around it, and in the one that its owner visited, that lasts as long as they do.
//!
//! A context that is dropped in another lane than its own (a guard that was sent to another task, a future that one task has begun and another one
//! ends) is a *visitor* there: what was entered in that lane before it waits for it, but two visitors, who may have nothing to do with each other, don't.
//! They do where it is known that they belong together: what a rollback drops, or a context that is only dropped, and what is on one stack. It isn't known of the parts of a future that was
//! polled in two tasks and is dropped in a third one; those of each of the two are in order.
//!
//! What was entered in a `with` that is over, and is dropped around that, is no visitor: it counts as entered in the lane that it is dropped in. That it comes from there is known by its *root*, the lane around all
//! `with`s (a branch's, a rollback's, a task's or a thread's), which is the same, and of the body of a `with` by what is remembered of the last few thousand: the lane *outside* of each. What is dropped in another root, or in a `with`
//! that isn't known to have been around it, is a visitor; and it has a place in a lane beside its root, for what has *left* that. Whatever was entered in that root looks there for higher numbers: of one task's contexts, one after the other, these are
//! inside of those with lower ones, wherever they were entered. It looks into the root's own lane for what is below itself, too.
//!
//! A visitor in a `with` that is inside of others looks into the lanes of these, too, up to one that began before it was entered. Which lane a lane is in is known as long as anything is pending anywhere: a `with` that begins in another one says so then.
//!
//! What a rollback drops, and was entered in the same lane as its context, mostly was the rollback's own when it began: what has been entered there since is around it, and may
//! wait for what it gives back. So it isn't waited for. What comes from another lane waits for all that was entered there since.
//!
//! A context with a guard goes on in another lane when it is rolled back: its function may have entered something with its caller, and more where it was dropped, if that was in a rollback, too. So a
//! rollback's lane has a *past*: the lanes that its context was in before, until it was dropped. What is torn down in the rollback, and was entered elsewhere, looks there, too.
//!
//! What is torn down inside of a rollback waits for higher numbers only than that of the rollback, for which those with lower ones may wait. It looks into these: an heir has the number of its lane's
//! owner, and what it stands for may be later than the rollback's context; so may be what is inside of an earlier context that is rolled back, too.
//!
//! The owner of a lane doesn't wait for visitors that were entered before it. When it is over and they are still pending, each has an heir in the lane around, as a visitor
//! there, with a number just below its own: lower, since that waits for it, and above whatever was entered before it. Where it is there already, by
//! whichever of these numbers, it isn't left there again. So guards may wander through lanes that are left to each other, and nothing waits or goes round in a circle.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    num::NonZero,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Where a context was entered. One word: what kind of lane it is, and its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Lane(NonZero<u64>);

/// The kinds of lanes, as their numbers' last bits.
#[derive(Clone, Copy)]
pub(super) enum Of {
    // Not 0, so that no lane is.
    Body = 1,
    Frame,
    Branch,
    #[cfg(feature = "tokio")]
    Task,
    Thread,
}

/// How many kinds of lanes there are, and some that aren't.
pub(super) const KINDS: usize = 1 << KIND_BITS;
const KIND_BITS: u32 = 4;
/// Of the lane beside a branch's, a rollback's, a task's or a thread's. Kinds from this on are those of such lanes.
pub(super) const LEFT: usize = 1 << (KIND_BITS - 1);

impl Lane {
    #[inline]
    const fn new(of: Of, number: u64) -> Self {
        match NonZero::new((number << KIND_BITS) | of as u64) {
            Some(lane) => Lane(lane),
            None => unreachable!(),
        }
    }

    /// Of a context, or of a branch. Its number is a multiple of [`STEP`], so that the kind has room there as it is.
    #[inline]
    const fn numbered(of: Of, number: Number) -> Self {
        debug_assert!(number % STEP == 0, "it is no context's own number");
        match NonZero::new(number | of as u64) {
            Some(lane) => Lane(lane),
            None => unreachable!(),
        }
    }

    #[inline]
    pub(super) fn kind(self) -> usize {
        self.0.get() as usize % KINDS
    }

    /// A number that is the next one's neighbour for the next lane of the same kind.
    #[inline]
    pub(super) fn spread(self) -> usize {
        // The kinds are apart from each other, wherever their numbers are.
        let kinds = (self.kind() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let number = match self.kind() % LEFT <= Of::Branch as usize {
            true => self.0.get() / STEP,
            false => self.0.get() >> KIND_BITS,
        };
        (number ^ kinds) as usize
    }

    /// The body of the `with` of that number.
    #[inline]
    pub(crate) const fn body(with: Number) -> Self {
        Lane::numbered(Of::Body, with)
    }

    /// The context function of that number: in closure style all of it, in guard style its rollback.
    #[inline]
    pub(crate) const fn frame(context: Number) -> Self {
        Lane::numbered(Of::Frame, context)
    }

    /// For what was entered inside of this one, a branch's, a rollback's, a task's or a thread's, and has left it: apart from what is in it.
    #[inline]
    pub(crate) fn left(self) -> Self {
        Lane(self.0 | LEFT as u64)
    }

    /// A branch separated by `background::lane`.
    #[inline]
    pub(crate) const fn branch(branch: Number) -> Self {
        Lane::numbered(Of::Branch, branch)
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

/// The runtime that a rollback runs on, if it runs on one that we know.
#[cfg(feature = "tokio")]
pub(crate) type RuntimeId = Option<tokio::runtime::Id>;
#[cfg(not(feature = "tokio"))]
pub(crate) type RuntimeId = Option<std::convert::Infallible>;

/// The number of an entered context, in the order of entering.
pub(crate) type Number = u64;

/// The numbers of contexts are multiples of this. Those between are for what stands for a context in another lane.
pub(super) const STEP: Number = 1 << 16;

static NEXT: AtomicU64 = AtomicU64::new(STEP);

#[inline]
pub(crate) fn next_number() -> Number {
    NEXT.fetch_add(STEP, Ordering::Relaxed)
}

/// A lower number than this, which is higher than that of every context entered before: of what waits for this, and stands for it elsewhere. None, after so many others.
pub(super) fn number_before(number: Number) -> Option<Number> {
    let before = number - 1;
    (before % STEP != 0).then_some(before)
}

/// The number of a context for which something stands by this one, or whose own it is.
pub(super) fn context_of(number: Number) -> Number {
    number.next_multiple_of(STEP)
}

/// The numbers of a context and of what stands for it, of which this is one.
pub(super) fn numbers_for(number: Number) -> Range<Number> {
    let end = context_of(number) + 1;
    end - STEP..end
}

/// Whatever has been entered so far has a lower number than this, whatever is entered from now on has not.
#[inline]
pub(crate) fn number_to_come() -> Number {
    NEXT.load(Ordering::Relaxed)
}

thread_local! {
    static CURRENT: Cell<Option<Lane>> = const { Cell::new(None) };
    static BRANCH: Cell<Option<Lane>> = const { Cell::new(None) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

impl Lane {
    /// The lane of the code that is running.
    #[inline]
    pub(crate) fn current() -> Self {
        match CURRENT.try_with(Cell::get) {
            Ok(Some(lane)) => lane,
            _ => Lane::task(),
        }
    }

    /// The lane of the task that is running, or of the thread.
    #[inline]
    fn task() -> Self {
        #[cfg(feature = "tokio")]
        if let Some(task) = tokio::task::try_id() {
            return Lane::new(Of::Task, number_of(task));
        }
        Lane::thread(super::current_runtime())
    }

    /// The current lane, and the one that all `with`s are in that it is in.
    #[inline]
    pub(crate) fn current_in_root() -> (Self, Self) {
        match CURRENT.try_with(Cell::get) {
            Ok(Some(lane)) => (lane, Lane::root()),
            _ => {
                let task = Lane::task();
                (task, task)
            }
        }
    }

    /// The lane that all `with`s are in that are around the code that is running: that of the branch or the rollback, else of the task.
    #[cold]
    pub(crate) fn root() -> Self {
        match BRANCH.try_with(Cell::get) {
            Ok(Some(branch)) => branch,
            _ => Lane::task(),
        }
    }

    /// Whether what has been entered by the same task, with that number, was so after this began, if it is some context's.
    pub(crate) fn began_before(self, number: Number) -> bool {
        self.owner().is_none_or(|owner| owner < number)
    }

    /// The number of the context whose body or function enters what is in this lane, if it is such a one.
    pub(super) fn owner(self) -> Option<Number> {
        let kind = self.kind();
        let is_of_context = kind == Of::Body as usize || kind == Of::Frame as usize;
        is_of_context.then_some(self.0.get() & !(KINDS as u64 - 1))
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

/// Restores the branch that was current before.
#[must_use]
pub(crate) struct InBranch {
    before: Option<Lane>,
    _lane: InLane,
}

impl Lane {
    /// Makes this branch the current one, and its lane, until the returned value is dropped.
    pub(crate) fn enter_branch(self) -> InBranch {
        let before = BRANCH.try_with(|branch| branch.replace(Some(self)));
        InBranch {
            before: before.ok().flatten(),
            _lane: self.enter(),
        }
    }
}

impl Drop for InBranch {
    fn drop(&mut self) {
        // An error: the thread is ending.
        let _ = BRANCH.try_with(|branch| branch.set(self.before));
    }
}

/// Restores the lane that was current before.
#[must_use]
pub(crate) struct InLane(Option<Lane>);

impl InLane {
    /// In the one that is current, to go into others from there, one after the other.
    #[inline]
    pub(crate) fn here() -> Self {
        InLane(CURRENT.try_with(Cell::get).ok().flatten())
    }

    /// Makes this the current lane, instead of the one before.
    #[inline]
    pub(crate) fn go(&self, lane: Lane) {
        set_current(Some(lane));
    }

    /// Back to the lane that it began in.
    #[inline]
    pub(crate) fn go_back(&self) {
        set_current(self.0);
    }
}

#[inline]
fn set_current(lane: Option<Lane>) {
    // An error: the thread is ending, and its lane with it.
    let _ = CURRENT.try_with(|current| current.set(lane));
}

impl Drop for InLane {
    #[inline]
    fn drop(&mut self) {
        self.go_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands for a context is above every context before that one; there is room for a row of these, and an end to it.
    #[test]
    fn numbers_between_contexts() {
        let (earlier, number) = (STEP, 2 * STEP);
        let mut before = Vec::new();
        let mut last = number;
        while let Some(next) = number_before(last) {
            assert!(earlier < next && next < last);
            assert_eq!(numbers_for(next), earlier + 1..number + 1);
            before.push(next);
            last = next;
        }
        assert_eq!(before.len() as u64, STEP - 1);
        assert_eq!(numbers_for(number), earlier + 1..number + 1);
    }
}
