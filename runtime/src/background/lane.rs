//! Lanes: which rollbacks a teardown waits for.
//!
//! # Words
//!
//! - Every entered context has a *number*. Later ones have higher ones.
//! - It is entered in a *lane*: that of the body of the `with` around it, else of the task, else of the thread. A [branch](fn@super::lane) has a lane of its own. So
//!   has the function of every context, for what it enters: in closure style from the setup on, in guard style in its rollback. A lane is in the table only while
//!   something is pending in it, so that lanes nobody uses cost nothing and leave nothing behind.
//! - The *root* of a lane is the one around all `with`s that it is in: a branch's, a rollback's, a task's or a thread's.
//! - A context that ends in another lane than its own is a *visitor* there. Such are a guard that was sent to another task, and what is in a future that one task
//!   has begun and another one ends. What was entered in a lane is *native* there.
//! - Rollbacks that are pending in a lane whose owner is gone have an *heir*: it holds a place in another lane that stands for them until they are over.
//!
//! # Rules
//!
//! Each has the function that implements it, and a test in `tests/background` that fails or hangs without it (or the one in `tests/model`).
//!
//! | | rule | function | test |
//! |---|---|---|---|
//! | 1 | A teardown waits for what was entered in its lane after its context | `Entered::below_until` | `order::guards_in_one_scope_dropped` |
//! | 2 | A teardown doesn't wait for what was entered after it began | `Entered::below_until` | `overlap::a_rollback_does_not_wait_for_what_was_entered_after_it_began` |
//! | 3 | A `with` waits for all that its body has entered | `Entered::below_until` | `order::an_outer_with_that_is_awaited_waits_for_an_inner_one_that_timed_out` |
//! | 4 | A `with` waits for all that its function has entered | `Entered::below_until` | `trees_do_what_the_model_says` |
//! | 5 | What is pending in a lane without an owner is left to the lane that the owner was entered in | `heirs::leave` | `order::a_lane_is_below_what_is_around_it` |
//! | 6 | It is left to the lane that the owner ends in, too | `heirs::leave_owned` | `spawned::in_a_group` |
//! | 7 | A branch that begins apart from where it was made counts from both moments | `OwnLane::drop` | `spawned::in_a_group_that_ends_before_they_begin` |
//! | 8 | Visitors of a lane don't wait for each other | `Elsewhere::range_here` | `order::guards_of_unrelated_tasks_dropped_in_a_third_one_do_not_wait_for_each_other` |
//! | 9 | Visitors that are known to belong together do | `Unit`, `Elsewhere::at` | `order::a_stack_that_two_tasks_fill_and_a_third_one_drops`, `order::what_two_tasks_have_entered_and_a_rollback_drops` |
//! | 10 | What has left its `with`, and ends around that, is native where it ends | `elsewhere::is_around` | `left_its_with::apart::two_branches_are_apart` |
//! | 11 | A visitor has a second place, in the lane beside its own root | `Elsewhere::around` | `left_its_with::anywhere::before_an_exit` |
//! | 12 | A teardown looks into the lane beside its root | `Entered::below_until` | `left_its_with::anywhere::in_a_task` |
//! | 13 | A visitor looks into its own root | `Entered::below_until` | `left_its_with::bodies::in_bodies_inside_of_each_other` |
//! | 14 | A visitor in a `with` looks into the lanes around that | `table::lanes_around` | `left_its_with::bodies::in_bodies_inside_of_each_other` |
//! | 15 | An owner doesn't wait for visitors that were entered before it: they are left to the lane around | `heirs::leave_visitors` | `order::a_guard_that_has_left_its_lane::for_a_body_that_ends` |
//! | 16 | A visitor isn't left to a lane that it visits already | `Table::is_visited_by` | `order::a_guard_that_has_left_its_lane::for_lanes_that_end_in_each_other` |
//! | 17 | What a rollback drops doesn't wait for what is around the rollback | `Elsewhere::rollback_around` | `order::a_rollback_inside_of_a_rollback` |
//! | 18 | What ends in a rollback looks into the rollback's past | `KeepsPast` | `from_lane_to_lane::in_a_rollback_within_another_one` |
//! | 19 | Inside a rollback, only higher numbers than the rollback's are waited for | `InRollback::floor` | `overlap::a_rollback_that_exits_a_guard_entered_before_it_does_not_wait_for_itself` |
//! | 20 | Inside a rollback, what is inside lower numbers is looked for | `LaneRange::where_pending` | `ends_in_a_rollback::waits_for_what_an_inner_teardown_has_dropped` |
//! | 21 | What a rollback inside a later one can't wait for is left to the lanes around | `Places::poll_leave_below` | `ends_in_a_rollback::what_it_cannot_wait_for_is_left_to_what_is_around_it` |
//!
//! # Reasons
//!
//! - 1: Everything waits for higher numbers only. So nothing waits in a circle.
//! - 2: What is entered later may need what this teardown gives back.
//! - 7: Apart: in another task, or in a rollback. A group of tasks may have been rolled back meanwhile, and end a task that has begun since. So the branch counts as
//!   entered when it was made, as well as when it began.
//! - 8: They may have nothing to do with each other. What was entered in the lane before a visitor does wait for it.
//! - 9: What one rollback drops belongs together; so does what is in a context that is only dropped, and what is on one stack. Of the parts of a future that was
//!   polled in two tasks and is dropped in a third one, it isn't known; but those of each of the two are in order.
//! - 10: That a context comes from inside is known by its root, which is the same, and by its lane. Of bodies, the lanes that they were inside are remembered for
//!   the last few thousand: see [`outer`](super::outer). What ends in another root, or in a `with` that isn't known to have been around it, is a visitor.
//! - 11 to 13: A visitor is one of its own task's contexts still. The lane beside a root is for what has [left](Lane::left) it. Of the
//!   contexts of one task, one after the other, those with higher numbers are inside those with lower ones, wherever they were entered.
//! - 14: Up to the first one that began before the visitor was entered. While anything is pending, the table knows which lane a `with` is inside.
//! - 15: Each visitor is left with a number [just below its own](number_before). That is lower, since it waits for the visitor, and higher than the number of anything
//!   that was entered before the visitor.
//! - 16: By whichever of these numbers it does so. Guards may wander through lanes that are left to each other in a circle, and mustn't go round for ever.
//! - 17: What it drops, if that was entered in the lane of the rollback's own context, mostly was the rollback's from the beginning. What has been entered in that
//!   lane since the rollback began is around it, and may wait for what it gives back. What a rollback drops from another lane waits for all that was entered there.
//! - 18: The function of a guard's context may have entered something in its caller's lane, and more in the lane of a rollback that then dropped it. The past is
//!   these lanes. What ends in the rollback, and was entered elsewhere, looks there, too.
//! - 19: Those with lower numbers may be waiting for the rollback.
//! - 20: There may be something later inside them. An heir's place has the number of the lane's owner, and may stand for later rollbacks. And an earlier context
//!   that is being rolled back may have entered later ones.
//! - 21: By rule 19, it doesn't wait for what its own function has entered, if that has a lower number than the later one. What is around both has to.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    num::NonZero,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// A lane: in one word, its kind and the number of its owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Lane(NonZero<u64>);

/// The kinds of lanes: the last bits of the word.
#[derive(Clone, Copy)]
pub(super) enum Of {
    // From 1 on, so that no lane is 0.
    Body = 1,
    Frame,
    Branch,
    #[cfg(feature = "tokio")]
    Task,
    Thread,
}

/// More than there are kinds of lanes: how many the bits have room for.
pub(super) const KINDS: usize = 1 << KIND_BITS;
const KIND_BITS: u32 = 4;
/// The bit in the kind of a lane for what has [left](Lane::left) another one. So these are the kinds from this on.
pub(super) const LEFT: usize = 1 << (KIND_BITS - 1);

impl Lane {
    #[inline]
    const fn new(of: Of, number: u64) -> Self {
        match NonZero::new((number << KIND_BITS) | of as u64) {
            Some(lane) => Lane(lane),
            None => unreachable!(),
        }
    }

    /// A lane of a context or of a branch. The owner's number is a multiple of [`STEP`], so that its last bits have room for the kind.
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

    /// A number for a table of lanes: those of lanes of the same kind with neighbouring owners are neighbours, and those of different kinds are far apart.
    #[inline]
    pub(super) fn spread(self) -> usize {
        let kinds = (self.kind() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let number = match self.kind() % LEFT <= Of::Branch as usize {
            true => self.0.get() / STEP,
            false => self.0.get() >> KIND_BITS,
        };
        (number ^ kinds) as usize
    }

    /// The lane of the body of the `with` of this number.
    #[inline]
    pub(crate) const fn body(with: Number) -> Self {
        Lane::numbered(Of::Body, with)
    }

    /// The lane of the function of the context of this number: in closure style all of it, in guard style its rollback.
    #[inline]
    pub(crate) const fn frame(context: Number) -> Self {
        Lane::numbered(Of::Frame, context)
    }

    /// The lane beside this one, which is a root: for what was entered inside the root and has left it.
    #[inline]
    pub(crate) fn left(self) -> Self {
        Lane(self.0 | LEFT as u64)
    }

    /// The lane of the branch of this number, which `background::lane` has made.
    #[inline]
    pub(crate) const fn branch(branch: Number) -> Self {
        Lane::numbered(Of::Branch, branch)
    }

    /// The lane of the current thread: off a runtime, or while it drives the root future of this one.
    fn thread(runtime: RuntimeId) -> Self {
        static THREADS: AtomicU64 = AtomicU64::new(1);
        let thread = THREAD.try_with(|thread| {
            if thread.get() == 0 {
                thread.set(THREADS.fetch_add(1, Ordering::Relaxed));
            }
            thread.get()
        });
        // An error: the thread is ending, and its variables are gone. Threads and runtimes are both counted from one on, so that a few bits are enough for either.
        Lane::new(
            Of::Thread,
            thread.unwrap_or(0) << 24 ^ runtime.map_or(0, number_of),
        )
    }
}

/// The number in an id of tokio's, which shows it only to a hasher.
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

/// The runtime that a rollback runs on, if it is known.
#[cfg(feature = "tokio")]
pub(crate) type RuntimeId = Option<tokio::runtime::Id>;
#[cfg(not(feature = "tokio"))]
pub(crate) type RuntimeId = Option<std::convert::Infallible>;

/// The number of an entered context, in the order of entering.
pub(crate) type Number = u64;

/// The numbers of contexts are multiples of this. Those in between are for places that stand for a context in another lane.
pub(super) const STEP: Number = 1 << 16;

static NEXT: AtomicU64 = AtomicU64::new(STEP);

#[inline]
pub(crate) fn next_number() -> Number {
    NEXT.fetch_add(STEP, Ordering::Relaxed)
}

/// A number for a place that waits for something with this number, and stands for it elsewhere. It is lower than this one, and higher than that of any context
/// entered before. `None` if all of these are used up: so many places in a row stand for each other.
pub(super) fn number_before(number: Number) -> Option<Number> {
    let before = number - 1;
    (before % STEP != 0).then_some(before)
}

/// The number of the context whose own number this is, or for which a place with this number stands.
pub(super) fn context_of(number: Number) -> Number {
    number.next_multiple_of(STEP)
}

/// All numbers of a context and of places that stand for it. `number` is one of them.
pub(super) fn numbers_for(number: Number) -> Range<Number> {
    let end = context_of(number) + 1;
    end - STEP..end
}

/// What has been entered so far has a lower number than this. What is entered from now on hasn't.
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

    /// The current lane and its root.
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

    /// The root of the current lane: the lane of the branch or the rollback, else of the task.
    #[cold]
    pub(crate) fn root() -> Self {
        match BRANCH.try_with(Cell::get) {
            Ok(Some(branch)) => branch,
            _ => Lane::task(),
        }
    }

    /// Whether the context of this number, which the same task has entered, was entered after this lane began. A lane that is no context's has always been there.
    pub(crate) fn began_before(self, number: Number) -> bool {
        self.owner().is_none_or(|owner| owner < number)
    }

    /// The number of the context whose body or function has this lane, if it is such a lane.
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

/// Restores the branch and the lane that were current before.
#[must_use]
pub(crate) struct InBranch {
    before: Option<Lane>,
    _lane: InLane,
}

impl Lane {
    /// Makes this lane the current one, and the current branch, until the returned value is dropped.
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
    /// Stays in the current lane for now, to [go](InLane::go) into others later.
    #[inline]
    pub(crate) fn here() -> Self {
        InLane(CURRENT.try_with(Cell::get).ok().flatten())
    }

    /// Makes `lane` the current lane.
    #[inline]
    pub(crate) fn go(&self, lane: Lane) {
        set_current(Some(lane));
    }

    /// Makes the lane current in which this began.
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

    /// The number of what stands for a context is above that of every earlier context. There is room for many in a row, and then an end.
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
