//! Finds out whether a context loses anything, wherever it is cancelled, fails or panics.
//!
//! A *scenario* is an async closure that uses some contexts. It tells a [`Recorder`] what has been acquired and released outside: connections, locks,
//! files, rows. [`check`] runs it many times:
//!
//! - to its end;
//! - again for each poll, dropped after that poll;
//! - again with a failure and with a panic injected at each [step](Recorder::step), also at steps that only a rollback has: to its end, and dropped
//!   after each poll.
//!
//! After every run it waits for the rollbacks and looks at the record: whatever has been acquired has to be released, once, in the opposite order.
//! The first thing that isn't so is shrunk to the shortest cut that shows it. That cut is printed as a line for a test of its own.
//!
//! Every run has a runtime and a clock of its own: [tokio's paused time](tokio::time::pause), so that timeouts take no time and two runs with the same cut
//! are the same run. Call it in a plain `#[test]`, not inside a runtime.
//!
//! # Contexts whose policy needs another runtime
//!
//! That runtime has one thread, and no `LocalSet`. So a context of [`on_cancel = block`](crate::policy::Block) or
//! [`spawn_local`](crate::policy::SpawnLocal) can't be rolled back in a scenario that is dropped. It loses its teardown there, though nothing is
//! wrong with it, and what it had acquired is found to be never released. What happened in the run then has a line that says why: *lost its teardown:
//! its policy is `block`, which can't work on a current-thread runtime*.
//!
//! Test its cancellation by hand, in a `#[tokio::test(flavor = "multi_thread")]`, or in a `LocalSet`. Or put it inside a `spawn` context, which
//! owns what it borrows and awaits its end:
//!
//! ```
//! use contextlib::{async_context, testkit::{self, Injected, Recorder}, yield_resource};
//!
//! #[async_context(on_cancel = block)]
//! async fn lock(record: &Recorder) -> Result<(), Injected> {
//!     record.step("lock").await?;
//!     record.acquired("lock");
//!     let _ = yield_resource!();
//!     record.released("lock");
//! }
//!
//! #[async_context]
//! async fn spawned(record: Recorder) -> Result<(), Injected> {
//!     let lock = lock(&record).enter().await?;
//!     match yield_resource!().is_completed() {
//!         true => lock.exit().await?,
//!         false => lock.cancel().await?,
//!     }
//! }
//!
//! let alone = testkit::explore(async |record: Recorder| {
//!     lock(&record).with(async |_| record.step("work").await).await
//! });
//! assert!(alone.unwrap_err().to_string().contains("its policy is `block`"));
//!
//! testkit::check(async |record: Recorder| {
//!     spawned(record.clone()).with(async |_| record.step("work").await).await
//! });
//! ```
//!
//! # Tasks
//!
//! A scenario may spawn tasks, each with a [branch](Recorder::branch) of the recorder. Only the scenario itself is dropped. A `JoinSet` goes with it
//! and aborts its tasks, while what `tokio::spawn` has detached goes on. Before the rollbacks are waited for, all of these tasks are let end.
//!
//! A task may never end, because it waits for nothing that comes, or for hundreds of timers one after the other. It is left as it is, and is no
//! problem by itself: what it holds then is told as never released. A task that is always ready without a [step](Recorder::step), so that the clock
//! can't go on, costs each run a second.
//!
//! # Example
//!
//! This context has a bug. Who sees it?
//!
//! ```
//! use contextlib::{async_context, testkit::{self, Injected, Recorder}, yield_resource};
//!
//! #[async_context]
//! async fn lease(record: Recorder) -> Result<(), Injected> {
//!     record.acquired("lease");
//!     record.step("confirm").await?; // A request to a server, say.
//!     let _ = yield_resource!();
//!     record.released("lease");
//! }
//!
//! let found = testkit::explore(async |record: Recorder| {
//!     lease(record.clone()).with(async |_| record.step("work").await).await
//! });
//!
//! // Dropped in its first await, or failing there, it keeps the lease: that part of it is setup, which has no teardown.
//! let found = found.unwrap_err();
//! assert_eq!(found.cut().to_string(), "drop@1");
//! assert!(found.to_string().contains("`lease` was acquired and never released"));
//! assert!(found.to_string().contains("testkit::replay(\"drop@1\", scenario)"));
//! ```
//!
//! A value that releases the lease when it is dropped mends the bug, from the moment when there is such a value:
//!
//! ```
//! use contextlib::{async_context, testkit::{self, Injected, Recorder}, yield_resource};
//!
//! struct Lease(Recorder);
//!
//! impl Drop for Lease {
//!     fn drop(&mut self) {
//!         self.0.released("lease");
//!     }
//! }
//!
//! #[async_context]
//! async fn lease(record: Recorder) -> Result<(), Injected> {
//!     record.acquired("lease");
//!     let _lease = Lease(record.clone());
//!     record.step("confirm").await?;
//!     let _ = yield_resource!();
//! }
//!
//! testkit::check(async |record: Recorder| {
//!     lease(record.clone()).with(async |_| record.step("work").await).await
//! });
//! ```

mod cut;
mod explore;
mod listener;
mod recorder;
mod run;
mod tasks;

pub use cut::{Cut, Injection, ParseCutError};
pub use explore::{Explored, Found, check, explore, replay};
pub(crate) use listener::reported;
pub use recorder::{Injected, Problem, Recorder};
