//! Rollbacks: teardowns that run when nobody is left to await them.
//!
//! A guard or a `with` future that is dropped hands its frame to its context's [policy], which runs it as a background task. This module keeps these
//! rollbacks in order, inner before outer. It also lets a program wait for them before it exits: [`drain`].
//!
//! # What is inside what
//!
//! A teardown, awaited or in the background, waits for the rollbacks that were started below it: those of its body and of what its body has entered.
//! For a guard, that is whatever was entered after it in the same *lane*. A guard's lane is the body of the `with` around it. Where there is no
//! `with`, its lane is the task, or (in the root future of `block_on`) the thread.
//!
//! What different tasks have entered never waits for each other, not even where one has spawned the other, unless the spawned one is in a [`lane`]. What one task
//! has entered is in its order wherever it goes: enter it in a [`lane`], if it has nothing to do with the rest.
//!
//! What to know about lanes:
//!
//! - Branches of one task (`join!`, `FuturesUnordered`) share its lane, so that guards in them wait for each other's rollbacks. [`lane`] separates
//!   the branches.
//! - A context that drops its yield point (as `timeout` does when the time is up) goes on with its next statement at once, while what its body has
//!   entered is still being rolled back. Only what is outside of the context waits for these rollbacks.
//! - Nothing waits for a rollback that has not begun. Where guards are dropped outer first, the outer one's rollback may run on another thread before
//!   the inner guard is dropped. Three things are dropped from the first one on: the fields of a struct, the elements of a `Vec` or a tuple, and the
//!   captures of a future that was never polled. Declare inner guards first.
//!
//! # Corner cases
//!
//! In these cases, too, things aren't in order, or wait for more than they have to:
//!
//! - The tasks of a `LocalSet` that is polled inside a body, by `run_until` for example, are in the body's lane.
//! - The tasks of another executor than tokio aren't recognised. They share their thread's lane, and a task that moves to another thread loses its
//!   order. Wrap each task in a [`lane`].
//! - A guard may leave the `with` it was entered in, as a guard that the body of a timeout returns does. It then counts as entered in what is around
//!   that `with`.
//!   - Such a guard may be dropped by another task, or by the body of a `with` that wasn't around the first one. Then whatever the guard's own task
//!     had entered before the guard waits for it. This holds in other branches of that task, too, unless a [`lane`] separates them.
//!   - It isn't known that a body was around such a guard where the guard comes from a future that was begun inside that body and then moved to
//!     another task, or from a task that runs inside that body.
//!   - If such a guard is dropped by another task or thread, or by a body that isn't known to have been around it, it isn't known either which body
//!     or rollback the guard had gone to. The guard then doesn't wait for what was dropped in that body or rollback itself.
//! - A guard that is handed over to another task is in order with what that task has entered, before and since, and with what its old task has
//!   entered. Two guards that a third task has from two others have nothing to do with each other, so their teardowns run side by side. This is so
//!   even where both belong to one future that was polled in two tasks and is dropped in a third one. What is on one [stack](crate::ExitStack) is in
//!   order wherever it goes.
//! - If one task has begun a future and another one drops it, what the future had entered meanwhile counts in the other task as entered when the
//!   future began.
//! - A guard that a rollback drops doesn't wait for what the task of both has entered since that rollback began. The reason is that mostly the
//!   rollback had the guard from the beginning. But the rule holds, too, where the task has given the guard to the rollback since, through a channel.
//! - What ends inside a rollback, by `exit` or a `with` that is over, doesn't wait for contexts that were entered before the one that is being
//!   rolled back, for these may wait for that one. It does wait for what was entered after that one, even inside an earlier context.
//! - Where two contexts are entered on one stack at the same time, and the setup that began first ends last, its context doesn't wait for what this
//!   setup has dropped.
//! - A thread has one lane outside of a runtime and another one inside `block_on`.
//! - A guard that was entered in a body, but inside another runtime's `block_on`, is rolled back on that runtime. The body's context waits for it:
//!   for ever, if nobody drives that runtime any more. End the rollback there: `other.block_on(background::drain())`.
//! - In the same way, a rollback of a `spawn_local` context is waited for for ever if nobody polls its `LocalSet` any more. End it in there:
//!   `set.run_until(background::drain())`.
//! - A rollback may await a task which waits for that rollback. It then waits for ever, as it would in the foreground.
//!   [`drain_timeout`](https://docs.rs/contextlib/latest/contextlib/background/fn.drain_timeout.html) names it.

#![cfg_attr(
    not(feature = "tokio"),
    allow(dead_code, reason = "the policies that use the rest need tokio")
)]

mod below;
#[cfg(test)]
mod dice;
mod drained;
mod elsewhere;
mod entered;
mod heirs;
mod in_rollback;
mod in_table;
pub(crate) mod lane;
pub(crate) mod lane_range;
mod laned;
mod lanes;
mod outer;
mod places;
mod rollback;
mod row;
mod settling;
#[cfg(feature = "tokio")]
mod shield;
pub(crate) mod table;
mod ticket;
mod unit;
mod waiter;
mod wakers;

pub(crate) use below::{Below, Waiting};
pub(crate) use entered::{Entered, Style};
pub(crate) use in_rollback::InRollback;
pub(crate) use lane::{InLane, RuntimeId};
#[cfg(feature = "tokio")]
pub(crate) use rollback::RawRollback;
pub use rollback::{Abandonment, Rollback};
pub(crate) use rollback::{Left, RollbackState, quietly};
pub(crate) use settling::{Settling, Unsettled};
#[cfg(feature = "tokio")]
pub use shield::shield;
pub(crate) use table::any_pending as is_any_pending;
pub use table::lanes_in_use;
pub(crate) use unit::Unit;

use drained::Drained;
use laned::Laned;
use std::{fmt, future::poll_fn, panic::Location};

use crate::{
    __private::{defined, on_cancel_drop},
    AsyncContext, ContextManager, Definition, YieldOnce, kind, policy,
};

/// Waits until every rollback on this runtime is over, also those that other rollbacks start meanwhile.
///
/// One line before `main` returns makes sure that no rollback is lost at shutdown. A `?` in `main` would leave before that line. So the work is a
/// function of its own, as here; or `main` is inside [`drained`].
///
/// What it waits for depends on where it is called:
///
/// - Off a runtime it waits for all rollbacks of the process.
/// - On a runtime it also waits for those that a [policy of yours](policy::Policy) has taken over, on whatever executor: whose they are isn't known.
/// - Inside a rollback it waits only for those of contexts that were entered later than the one that is being rolled back. Earlier ones may be
///   waiting for this very rollback, and neither would ever end.
///
/// A task that is still alive hasn't begun its rollbacks. Nor has a task that was aborted, until its runtime has dropped its future. So end the tasks
/// first, and wait for them: with `JoinSet::shutdown`, or by their `JoinHandle`s.
///
/// # Cancellation
/// Dropping the future ends the wait and nothing else: the rollbacks go on.
///
/// ```
/// # async fn work() -> std::io::Result<()> { Ok(()) }
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     let result = work().await;
///     contextlib::background::drain().await;
///     result
/// }
/// ```
pub async fn drain() {
    let mut drained = Drained::new(current_runtime());
    poll_fn(|cx| drained.poll(cx)).await;
}

/// A context whose teardown is [`drain`]: around `main`, or a test, however that ends.
///
/// Without it, a test that ends by `?` or a failed assertion while it holds a guard loses the rollback, since its runtime is shut down at once. The
/// report says so.
///
/// Like any `with`, it waits for what its body has entered. Its teardown also waits for the rollbacks of tasks that have ended. `with` allocates
/// nothing. If it is cancelled, it waits for nothing.
///
/// ```
/// use contextlib::{background::drained, within};
///
/// # async fn work() -> std::io::Result<()> { Ok(()) }
/// #[within(drained())]
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     work().await?;
///     work().await
/// }
/// ```
///
/// ```
/// use contextlib::{async_context, background::drained, within, yield_resource};
/// # use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// # static UNLOCKED: AtomicBool = AtomicBool::new(false);
///
/// #[async_context]
/// async fn lock() -> std::io::Result<u32> {
///     let mut number = 7;
///     let _ = yield_resource!(number);
/// #   tokio::task::yield_now().await;
/// #   UNLOCKED.store(true, Relaxed);
/// }
///
/// # /*
/// #[within(drained())]
/// #[tokio::test]
/// # */
/// # #[within(drained())]
/// # #[tokio::main(flavor = "current_thread")]
/// async fn fails_and_unlocks() -> std::io::Result<()> {
///     let number = lock().enter().await?;
///     Err(std::io::Error::other(format!("{} isn't 8", *number))) // the guard is dropped: rolled back before the test is over
/// }
/// # assert!(fails_and_unlocks().is_err());
/// # assert!(UNLOCKED.load(Relaxed));
/// ```
#[track_caller]
pub fn drained()
-> ContextManager<impl AsyncContext<Resource = (), Kind = kind::Infallible>, policy::Drop> {
    on_cancel_drop::<(), kind::Infallible, _>(
        defined(|| "drained"),
        async |yielder: YieldOnce<'_, _, _>| {
            let _ = yielder.lend(()).await;
            drain().await;
        },
    )
}

/// [`drain`], for `limit` at the most.
///
/// # Errors
/// The contexts whose rollbacks were still pending when the limit was reached, of those that it waits for. These rollbacks go on.
///
/// # Panics
/// Outside of a tokio runtime, and on one whose timer isn't enabled (`enable_time`). [`drain`] needs neither.
///
/// # Cancellation
/// As for [`drain`].
///
/// ```
/// use contextlib::{async_context, background::drain_timeout, yield_resource};
/// use std::{future::pending, time::Duration};
///
/// #[async_context]
/// async fn connection() -> std::io::Result<()> {
///     let _ = yield_resource!();
///     pending::<()>().await // The other side doesn't answer.
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// drop(connection().enter().await?);
/// if let Err(error) = drain_timeout(Duration::from_millis(10)).await {
///     // a rollback is still pending:
///     //   the context `connection` (src/main.rs:5:10), entered at src/main.rs:10:19
///     eprintln!("{error}");
/// #   let text = error.to_string();
/// #   assert!(text.starts_with("a rollback is still pending:\n  the context `connection` ("), "{text}");
/// #   assert!(text.contains("), entered at "), "{text}");
/// #   return Ok(());
/// }
/// # panic!("it isn't pending");
/// # }
/// ```
#[cfg(feature = "tokio")]
pub async fn drain_timeout(limit: std::time::Duration) -> Result<(), DrainTimeout> {
    let mut drained = Drained::new(current_runtime());
    match tokio::time::timeout(limit, poll_fn(|cx| drained.poll(cx))).await {
        Ok(()) => Ok(()),
        Err(_) => match drained.pending() {
            stuck if stuck.is_empty() => Ok(()),
            stuck => Err(DrainTimeout { stuck }),
        },
    }
}

/// How many rollbacks are pending on this runtime; off a runtime, in the process. Those that a [policy of yours](policy::Policy) has taken over count
/// on every runtime.
///
/// ```
/// use contextlib::{async_context, background::{drain, pending}, yield_resource};
///
/// #[async_context]
/// async fn lock() {
///     let _ = yield_resource!();
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// drop(lock().enter().await);
/// assert_eq!(pending(), 1);
/// drain().await;
/// assert_eq!(pending(), 0);
/// # }
/// ```
pub fn pending() -> usize {
    table::count_on(current_runtime())
}

/// The contexts whose rollbacks are [`pending`] on this runtime, in the order in which they were entered; off a runtime, in the process.
///
/// Allocates the list. To have the same after a wait, use [`drain_timeout`](https://docs.rs/contextlib/latest/contextlib/background/fn.drain_timeout.html).
pub fn stuck() -> Vec<Stuck> {
    table::pending_on(current_runtime(), 0)
}

/// Runs `future` with a lane of its own: guards entered in it wait for each other's rollbacks, and for no others.
///
/// Guards of one task share a lane, so that an outer guard's `exit` waits for the rollbacks of inner ones. But the branches of a `join!` aren't
/// inside each other: where both use guards, wrap each in `lane`. Closure and block style need no such care.
///
/// One allocation, for `future`.
///
/// # Panics
/// If it is polled after its end.
///
/// # Cancellation
/// Dropping it drops `future` in its lane. The rollbacks that this starts are waited for where `lane` was called. So are those that are pending at
/// its end.
///
/// # Example
///
/// ```
/// # async fn branch() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use contextlib::background::lane;
///
/// tokio::join!(lane(branch()), lane(branch()));
/// # }
/// ```
///
/// # Guards side by side
///
/// One task may keep guards that have nothing to do with each other, such as one for each session in a map. Entered in a lane each, they don't wait for
/// each other, wherever they are exited or dropped:
///
/// ```
/// use contextlib::{async_context, background::{drain, lane}, yield_resource};
/// use std::collections::HashMap;
///
/// #[async_context]
/// async fn session(id: u32) -> std::io::Result<u32> {
///     let mut number = id;
///     let _ = yield_resource!(number);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut sessions = HashMap::new();
/// for id in [1, 2] {
///     sessions.insert(id, lane(session(id).enter()).await?);
/// }
/// drop(sessions.remove(&2));
/// // Not after the rollback of the other one.
/// sessions.remove(&1).expect("it is there").exit().await?;
/// # drain().await;
/// # Ok(())
/// # }
/// ```
///
/// # Tasks
///
/// What is still being rolled back when `future` is over is waited for where `lane` was *called*, by whatever was entered there before `future`
/// began. So a task that is spawned in a `lane` belongs to what spawns it. (For the rollbacks of a task that is spawned without a `lane`, only
/// [`drain`] waits.)
///
/// Nobody waits for a rollback that hasn't begun, and a task that is alive may still hold guards. So end the task, and wait for its end, before the
/// context around it is torn down. Do this in that context's body, as here, or in the teardown of another context inside it. (If that other
/// context is rolled back, its teardown may begin before the task is first polled. Then, too, the task's rollbacks are waited for by whatever was
/// entered before `lane` was called.)
///
/// ```
/// use contextlib::{async_context, background::lane, yield_resource};
/// use tokio::task::JoinSet;
///
/// #[async_context]
/// async fn database() -> &'static str {
///     let _ = yield_resource!("sqlite::memory:");
///     println!("dropped: the workers' transactions are over");
/// }
///
/// # async fn worker(_: &'static str) {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// database()
///     .run(async |url| {
///         let mut workers = JoinSet::new();
///         workers.spawn(lane(worker(*url)));
///         // …
///         workers.shutdown().await;
///     })
///     .await;
/// # }
/// ```
#[doc(alias("TaskGroup", "nursery"))]
pub fn lane<F: Future>(future: F) -> impl Future<Output = F::Output> {
    Laned::new(future)
}

/// Rollbacks were still pending when `drain_timeout` gave up.
#[derive(Clone, Debug)]
pub struct DrainTimeout {
    stuck: Vec<Stuck>,
}

impl DrainTimeout {
    /// The contexts that are still being rolled back, in the order in which they were entered.
    pub fn stuck(&self) -> &[Stuck] {
        &self.stuck
    }
}

impl fmt::Display for DrainTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stuck.len() {
            1 => f.write_str("a rollback is still pending:")?,
            many => write!(f, "{many} rollbacks are still pending:")?,
        }
        for stuck in &self.stuck {
            write!(f, "\n  {stuck}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DrainTimeout {}

/// A context whose rollback is pending.
#[derive(Clone, Debug)]
pub struct Stuck {
    definition: Definition,
    entered: &'static Location<'static>,
}

impl Stuck {
    /// The context's name and where it is defined.
    pub fn definition(&self) -> Definition {
        self.definition
    }

    /// Where it was entered.
    pub fn entered(&self) -> &'static Location<'static> {
        self.entered
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, entered at {}", self.definition, self.entered)
    }
}

#[cfg(feature = "tokio")]
pub(crate) fn current_runtime() -> RuntimeId {
    tokio::runtime::Handle::try_current()
        .ok()
        .map(|runtime| runtime.id())
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn current_runtime() -> RuntimeId {
    None
}
