//! Async context managers: setup, body, and a teardown that may `await` and always runs, after success, an error, a panic and a cancellation.
//!
//! You write a context as one `async fn` with a yield point:
//!
//! ```
//! use contextlib::{async_context, yield_resource};
//! # use std::io;
//! # struct Connection;
//! # impl Connection {
//! #     async fn open(_: &str) -> io::Result<Self> { Ok(Connection) }
//! #     async fn query(&mut self, _: &str) -> io::Result<usize> { Ok(1) }
//! #     async fn close(self) -> io::Result<()> { Ok(()) }
//! #     async fn abort(self) -> io::Result<()> { Ok(()) }
//! # }
//!
//! #[async_context]
//! async fn connection(address: String) -> io::Result<Connection> {
//!     let mut connection = Connection::open(&address).await?; // setup
//!     if yield_resource!(connection).is_completed() {         // the body runs here
//!         connection.close().await?;                          // teardown, told how the body ended
//!     } else {
//!         connection.abort().await?;
//!     }
//! }
//!
//! async fn work(address: String) -> io::Result<()> {
//!     // Closure style: the teardown is awaited on success, error and panic.
//!     let rows = connection(address.clone())
//!         .with(async |connection| -> io::Result<usize> { connection.query("…").await })
//!         .await?;
//!
//!     // Block style: several contexts, the later ones may use the earlier ones.
//!     let rows = contextlib::async_with!(one = connection(address.clone()), two = connection(address.clone()), async {
//!         Ok::<_, io::Error>(one.query("…").await? + two.query("…").await?)
//!     })
//!     .await?;
//!
//!     // Guard style: a value that dereferences to the resource. Dropped before its `exit`, by a `?` for example, it is rolled back in the background.
//!     let mut connection = connection(address).enter().await?;
//!     let rows = connection.query("…").await?;
//!     connection.exit().await
//! }
//!
//! #[tokio::main]
//! async fn main() -> io::Result<()> {
//!     let result = work(String::from("localhost")).await;
//!     // Once, before the program ends: nothing that runs in the background is lost. A `?` in the line above would skip this one.
//!     contextlib::background::drain().await;
//!     result
//! }
//! ```
//!
//! This is Python's `contextlib` for Rust, with its names. Where a name differs, the search of these pages finds it by Python's name.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | *context function* | what [`#[async_context]`](macro@async_context) is on; calling it runs nothing and returns a [`ContextManager`] |
//! | *setup* | what is before the yield point |
//! | *resource* | what the context function yields with [`yield_resource!`], and what the body gets as `&mut` |
//! | *body* | the caller's code while the context is open |
//! | *exit* | how the body ended: the [`Exit`] that `yield_resource!` evaluates to |
//! | *teardown* | what is after the yield point |
//! | *frame* | the suspended context function |
//! | *guard* | an entered context as a value, a [`Guard`] |
//! | *rollback* | a teardown that runs in the background because nobody is left to await it |
//! | *lane* | what guards are in order in: the body of the `with` around them, else the task; [`background::lane`] makes one |
//! | *kind* | a context's error, and what it can do to its body's outcome, as a type: [`kind`] |
//! | *wrapping* | of a context: its yield point is inside another future, such as a timeout; it has no guard |
//!
//! # Styles
//!
//! | style | teardown | take it where |
//! |---|---|---|
//! | closure: [`with`](ContextManager::with), [`run`](ContextManager::run), their kin [`with_local`](ContextManager::with_local) and [`run_local`](ContextManager::run_local), [`outcome`](ContextManager::outcome) | awaited, unless the future is dropped | the teardown should see the body's error, and be over before the caller goes on |
//! | block: [`async_with!`] | as in closure style | there are several contexts |
//! | guard: [`enter`](ContextManager::enter) | awaited by [`exit`](Guard::exit), [`exit_with`](Guard::exit_with), [`exit_as`](Guard::exit_as) and [`cancel`](Guard::cancel); else a rollback | the context's life doesn't fit a block: it is kept in a struct, or passed on |
//! | decorator: [`#[within]`](macro@within) | as in closure style | a whole function runs inside a context, as a test or a handler does |
//!
//! In closure and block style the body is polled *inside* the yield point. So what the context function puts around the yield point (a timeout, a
//! `select!`, a `task_local!` scope) holds for the body. A context that drops its yield point cancels the body there and then. Such a *wrapping*
//! context has no guard.
//!
//! # How a body ends
//!
//! | the body | the teardown is told | the caller gets |
//! |---|---|---|
//! | returns `Ok` | [`Exit::Completed`] | the value, or the teardown's error |
//! | returns `Err` | [`Exit::Failed`] | that error |
//! | panics | [`Exit::Panicked`] | that panic, with the same payload, after the teardown |
//! | is dropped | [`Exit::Cancelled`] | nothing, since it is gone: the teardown is a rollback |
//! | drops its guard: by `?`, by a panic | [`Exit::Cancelled`] | the error or the panic, at once: the teardown is a rollback |
//!
//! The body's own outcome is never swallowed, except by a context that says so in its type ([`Suppressing`](kind::Suppressing)). Where body and
//! teardown both fail, the caller gets the body's error, and the [report hook](set_report_hook) gets the teardown's. Only a panic of the teardown goes
//! before an error of the body, which is then reported.
//!
//! # Contexts made of others
//!
//! Unlike in Python, nothing is raised at a yield point: `yield_resource!` evaluates to how the body ended, and the context function goes on. So if a
//! `with` or a block is around `let _ = yield_resource!(…)`, its own body always succeeds. Its context is told [`Completed`](Exit::Completed),
//! whatever has happened. Hold a guard instead, and tell it [what you are told](Guard::exit_as):
//!
//! ```
//! use contextlib::{BoxGuard, async_context, yield_resource};
//! # use std::{io, sync::{Arc, Mutex}};
//! # #[derive(Clone, Default)]
//! # struct Pool(Arc<Mutex<Vec<&'static str>>>);
//! # impl Pool {
//! #     async fn begin(&self) -> io::Result<Transaction> { Ok(Transaction(self.clone())) }
//! # }
//! # struct Transaction(Pool);
//! # impl Transaction {
//! #     async fn commit(self) -> io::Result<()> { Ok(self.0.0.lock().unwrap().push("COMMIT")) }
//! #     async fn rollback(self) -> io::Result<()> { Ok(self.0.0.lock().unwrap().push("ROLLBACK")) }
//! # }
//! #
//! # #[async_context]
//! # async fn transaction(pool: Pool) -> io::Result<Transaction> {
//! #     let mut tx = pool.begin().await?;
//! #     if yield_resource!(tx).is_completed() { tx.commit().await?; } else { tx.rollback().await?; }
//! # }
//!
//! #[async_context]
//! async fn logged(pool: Pool) -> io::Result<BoxGuard<'static, Transaction, io::Error>> {
//!     let mut tx = transaction(pool).boxed().enter().await?;
//!     let exit = yield_resource!(tx);
//!     tx.exit_as(exit).await?;
//!     println!("{exit:?}");
//! }
//! #
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let pool = Pool::default();
//! # logged(pool.clone()).with(async |_tx| io::Result::Ok(())).await.unwrap();
//! # logged(pool.clone()).with(async |_tx| io::Result::<()>::Err(io::Error::other("no"))).await.unwrap_err();
//! # assert_eq!(*pool.0.lock().unwrap(), ["COMMIT", "ROLLBACK"]);
//! # }
//! ```
//!
//! An inner context's resource can't be moved out of its guard (E0507). So, to hand the resource on, this example yields the guard itself. The inner
//! context is [`boxed`](ContextManager::boxed), so that the guard's type can be written. A context that is to be put around any other context takes
//! that one as a [`BoxContextManager`]. (A generic one would have a type that grows with each level, and the compiler's time with it: seven levels take
//! half a minute, eight take minutes.)
//!
//! A wrapping context has no guard. If a yield point is in the `with` or the block of a wrapping context, return an `Err` from there when the exit
//! isn't `Completed`. That error is then reported, beside the body's. (What isn't a context, such as tokio's `timeout` or a `select!`, needn't be
//! told anything.)
//!
//! # Cancellation
//!
//! What becomes of a context whose caller is gone is its [`policy`]. By default the context owns all that it needs, and its teardown runs as a task
//! in the background.
//!
//! - Rollbacks keep their order, inner before outer: a teardown, awaited or not, starts only after the rollbacks started below it have ended.
//! - [`background::drain`] waits for all rollbacks.
//! - A rollback's failure goes to the report hook. So does a rollback that could not run because there was no runtime, and so does the failure of a
//!   body whose caller is gone before the teardown is over.
//! - A setup that is cancelled is dropped, like any future, unless the context says `#[async_context(setup = finish)]`.
//! - A teardown that is cancelled goes on in the background from where it was.
//!
//! What can't be helped: `mem::forget`, a process that ends without draining, `panic = "abort"`.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `tokio`, on by default | the policies `spawn`, `spawn_local` and `block`, and what needs a timer |
//! | `tracing` | where the process has a subscriber: reports as `tracing` events instead of lines on standard error, spans, and a `DEBUG` event for each guard that is dropped un-exited while nothing panics |
//! | `testkit` | the module `testkit`, which finds out whether a context loses anything, wherever it is cancelled |
//!
//! The spans are `setup`, `body` (in closure and block style) and `teardown`, at the level `TRACE` and with the target `contextlib`. Their fields
//! `context` and `defined` say which context it is. A rollback runs in the span that its context was entered in, whatever the level. tracing's
//! `max_level_*` features and a subscriber's filter switch the spans off; then they cost next to nothing.
//!
//! Without `tokio` there remain the attribute, the styles, `on_cancel = drop`, and [policies](policy::Policy) of your own for other executors. Then:
//!
//! - A struct is used by `protocol(it).on_cancel::<policy::Drop>()`, or with a policy of yours.
//! - [`from_fn`], [`closing`] and [`closing_with`](contexts::closing_with) can't be used.
//! - The closures on an [`ExitStack`] run only when its exit is awaited. A stack that is dropped reports them as lost.
//!
//! The minimum Rust version is 1.85; raising it is a minor release.
//!
//! # Where to look further
//!
//! The [README](https://github.com/contextlib-rs/contextlib) compares this crate with other ways, and maps Python's names to the ones here. Its
//! repository has an example for each use.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod background;
mod body_error;
mod boxed;
mod cold;
mod combine;
mod contained;
mod context_of;
pub mod contexts;
mod exit;
mod frame;
mod guard;
pub mod kind;
mod macros;
mod manager;
mod outcome;
pub mod policy;
mod protocol;
pub mod report;
mod session;
mod site;
pub mod stack;
mod teardown;
#[cfg(feature = "testkit")]
pub mod testkit;
mod trace;

pub use background::Rollback;
pub use body_error::BodyError;
pub use boxed::{
    BoxContext, BoxContextManager, BoxGuard, BoxedManager, InfallibleBoxContextManager,
    InfallibleBoxGuard,
};
pub use combine::{ContextTuple, Undecided, combine};
pub use context_of::{ContextOf, SendContext};
pub use contextlib_macros::async_context;
/// Contexts around a whole function, as a decorator or as a fixture.
///
/// A fixture lives as long as its test. There is no fixture for several tests: a context in a `static` is never torn down, since nothing drops a
/// `static`. It also belongs to the runtime of the test that has entered it, and that runtime ends before the next test's begins.
/// [`drained`](background::drained) around a test waits for the rollbacks that the test leaves behind.
///
/// ```
/// use contextlib::{async_context, within, yield_resource};
/// use std::{fs, io::{self, Write}, path::PathBuf};
///
/// #[async_context]
/// async fn folder() -> io::Result<PathBuf> {
///     let mut path = std::env::temp_dir().join(format!("contextlib-{}", std::process::id()));
///     fs::create_dir(&path)?;
///     let _ = yield_resource!(path);
///     fs::remove_dir_all(&path)?;
/// }
///
/// #[async_context]
/// async fn file(folder: PathBuf, name: &'static str) -> io::Result<fs::File> {
///     let mut file = fs::File::create(folder.join(name))?;
///     let _ = yield_resource!(file);
///     file.sync_all()?;
/// }
///
/// // On a test, `#[tokio::test]` stands below `#[within(…)]`.
/// #[within(folder = folder(), file = file(folder.clone(), name))]
/// async fn written(name: &'static str, file: &mut fs::File, text: &[u8]) -> io::Result<PathBuf> {
///     file.write_all(text)?;
///     assert_eq!(fs::read(folder.join(name))?, text);
///     Ok(folder.clone())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let folder = written("greeting", b"hello").await?;
/// assert!(!folder.exists());
/// # Ok(())
/// # }
/// ```
#[doc(alias("decorator", "fixture", "ContextDecorator", "AsyncContextDecorator"))]
pub use contextlib_macros::within;
#[doc(no_inline)]
pub use contexts::{closing, from_fn, null_context, suppress};
#[cfg(feature = "tokio")]
#[doc(no_inline)]
pub use contexts::{move_on_after, timeout, timeout_at};
pub use exit::{ErrorView, Exit, ExitKind, PanicView};
pub use frame::{AsyncContext, Lend, YieldOnce};
pub use guard::{Enter, Guard};
pub use manager::{AsyncBody, ContextManager};
pub use outcome::Outcome;
pub use protocol::{AsyncContextManager, IntoContextManager, protocol};
#[cfg(feature = "tokio")]
pub use report::set_runtime_report_hook;
pub use report::{set_report_hook, take_report_hook};
pub use site::Definition;
pub use stack::ExitStack;
