//! The macros of [`contextlib`](https://docs.rs/contextlib), which re-exports them: depend on that crate, not on this one.

#![forbid(unsafe_code)]

mod args;
mod arguments;
mod async_with;
mod bindings;
mod borrows;
mod context;
mod editors;
mod error;
mod expand;
mod flow;
mod known;
mod nest;
mod signature;
mod temporaries;
mod tokens;
mod validate;
mod within;
mod yields;

use proc_macro::TokenStream;

/// Makes an async context manager of an `async fn` that yields its resource once.
///
/// What is before `yield_resource!` is the setup, what is after it the teardown, and the caller's body runs in between. The
/// function itself becomes a plain one that returns a `ContextManager`: calling it keeps the arguments and runs nothing.
///
/// ```
/// use contextlib::{async_context, yield_resource};
/// # use std::{io, sync::{Arc, Mutex}};
/// # type AppError = Box<dyn std::error::Error + Send + Sync>;
/// # #[derive(Clone, Default)]
/// # struct Pool(Arc<Mutex<Vec<&'static str>>>);
/// # impl Pool {
/// #     async fn begin(&self) -> io::Result<Transaction> { Ok(Transaction { pool: self.clone(), rows: Vec::new() }) }
/// # }
/// # struct Transaction { pool: Pool, rows: Vec<&'static str> }
/// # impl Transaction {
/// #     async fn commit(self) -> io::Result<()> { Ok(self.pool.0.lock().unwrap().extend(self.rows)) }
/// #     async fn rollback(self) -> io::Result<()> { Ok(()) }
/// # }
/// # async fn insert(tx: &mut Transaction) -> Result<usize, AppError> { tx.rows.push("Ada"); Ok(tx.rows.len()) }
///
/// #[async_context]
/// async fn transaction(pool: Pool) -> io::Result<Transaction> {
///     let mut tx = pool.begin().await?;
///     if yield_resource!(tx).is_completed() {
///         tx.commit().await?;
///     } else {
///         tx.rollback().await?;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AppError> {
/// # let pool = Pool::default();
/// # let rows = pool.0.clone();
/// let id = transaction(pool).with(async |tx| -> Result<usize, AppError> { insert(tx).await }).await?;
/// # assert_eq!((id, rows.lock().unwrap().as_slice()), (1, ["Ada"].as_slice()));
/// # Ok(())
/// # }
/// ```
///
/// Mirrors Python's `contextlib.asynccontextmanager`.
///
/// # What it goes on
///
/// Any `async fn`: free, a method with any receiver, one that a trait declares or implements; with generics, `where` clauses,
/// `impl Trait`, patterns and `mut` arguments, attributes and visibility, all of which are kept as written.
/// What a trait declares with `on_cancel = drop` or `block` isn't known to be `Send` in generic code, where `with` needs that: `boxed` makes it so.
///
/// - `-> Result<T, E>`, and each type whose name ends in `Result`, makes a fallible context that yields a `T`; setup and teardown
///   may use `?`. Anything else makes an infallible one.
/// - It ends in `()` or in `Ok(())`, which may be left out. The resource is yielded, not returned.
/// - Each path to a successful end yields exactly once. A second yield is a compile error; a path without one panics when it is
///   taken, and the panic names the function. A sketch that ends in `todo!()` or its like need not yield yet.
/// - A yield nested in an `async` block, in a closure or in a macro other than the standard library's makes a *wrapping* context,
///   such as one with a timeout around the body. It has no guard: use `with` or `async_with!`.
///
/// # Arguments
///
/// They may be combined, in any order: `#[async_context(on_cancel = block, suppress)]`.
///
/// ## `on_cancel = …`: what becomes of the teardown if the caller is gone
///
/// | policy | the teardown | the context |
/// |---|---|---|
/// | `spawn` (default) | runs as a background task | is `Send`, and borrows nothing |
/// | `spawn_local` | runs as a background task of the same thread | borrows nothing |
/// | `block` | runs to its end inside `Drop`, where that can work | may borrow |
/// | `drop` | doesn't run: the variables are dropped | may borrow |
/// | a type | does what that policy says | what that policy asks for |
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # use std::io;
/// # #[derive(Default)]
/// # struct Connection(Vec<&'static str>);
/// # struct Savepoint<'c>(&'c mut Connection);
/// # impl<'c> Savepoint<'c> {
/// #     async fn create(connection: &'c mut Connection) -> io::Result<Self> { Ok(Savepoint(connection)) }
/// #     async fn release(self) -> io::Result<()> { Ok(self.0.0.push("RELEASE")) }
/// #     async fn roll_back(self) -> io::Result<()> { tokio::task::yield_now().await; Ok(self.0.0.push("ROLLBACK TO")) }
/// # }
/// #[async_context(on_cancel = block)]
/// async fn savepoint(connection: &mut Connection) -> io::Result<Savepoint<'_>> {
///     let mut savepoint = Savepoint::create(connection).await?;
///     if yield_resource!(savepoint).is_completed() {
///         savepoint.release().await?;
///     } else {
///         savepoint.roll_back().await?;
///     }
/// }
/// #
/// # #[tokio::main]
/// # async fn main() -> io::Result<()> {
/// # let mut connection = Connection::default();
/// # savepoint(&mut connection).enter().await?.exit().await?;
/// # drop(savepoint(&mut connection).enter().await?);
/// # assert_eq!(connection.0, ["RELEASE", "ROLLBACK TO"]);
/// # Ok(())
/// # }
/// ```
///
/// ## `setup = finish`: a cancelled setup runs on
///
/// By default (`setup = drop`) a setup whose caller is gone is dropped, like any future. With `finish`, a background task runs it to
/// its yield point and tears it down again, so that what it was acquiring on a remote side doesn't leak. For `on_cancel = spawn`.
///
/// Whatever is around it waits for that, as for any rollback inside: the teardown of a context that was entered before, also that of `contextlib::timeout`. So a setup that waits
/// for something that is held around it, a second lease of something that can be leased only once, is waited for in vain: give such a wait a limit of its own, inside the context function.
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # use std::{io, sync::{Arc, Mutex}};
/// # #[derive(Clone, Default)]
/// # struct Registry(Arc<Mutex<Vec<&'static str>>>);
/// # struct Lease;
/// # impl Registry {
/// #     async fn acquire(&self) -> io::Result<Lease> {
/// #         self.0.lock().unwrap().push("granted");
/// #         tokio::task::yield_now().await;
/// #         Ok(Lease)
/// #     }
/// #     async fn release(&self, _: Lease) -> io::Result<()> { Ok(self.0.lock().unwrap().push("released")) }
/// # }
/// #[async_context(setup = finish)]
/// async fn lease(registry: Registry) -> io::Result<Lease> {
///     let mut lease = registry.acquire().await?; // the registry may have granted it already when the caller gives up
///     let _ = yield_resource!(lease);
///     registry.release(lease).await?;
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let registry = Registry::default();
/// # tokio::select! {
/// #     biased;
/// #     _ = lease(registry.clone()).enter() => unreachable!("it takes two polls"),
/// #     () = std::future::ready(()) => {}
/// # }
/// # contextlib::background::drain().await;
/// # assert_eq!(*registry.0.lock().unwrap(), ["granted", "released"]);
/// # }
/// ```
///
/// ## `own(name = expression, …)`: what the context owns, though the function borrows
///
/// The expressions are evaluated in order when the function is called; the function has their values, and not `self` or the arguments
/// that borrow, as far as that is written (`&T`, `Row<'_>`), nor one that is moved by `own(other = argument)`. It keeps the others, used or not (of a pattern what has a name or a `_`, and not what `..` passes over). The manager then borrows nothing. (Its type still mentions their lifetimes, as every opaque type does: a function that returns such a one, or a `Vec` of them, says
/// `+ Send + 'static` and not `use<>`, or takes a [boxed](#boxed-a-type-that-has-a-name) one.) `own(mut name = …)` makes a mutable variable.
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # use std::io;
/// # #[derive(Clone)]
/// # struct Pool;
/// # impl Pool {
/// #     async fn begin(&self) -> io::Result<Transaction> { Ok(Transaction) }
/// # }
/// # struct Transaction;
/// # impl Transaction {
/// #     async fn commit(self) -> io::Result<()> { Ok(()) }
/// # }
/// # struct Store { pool: Pool }
/// impl Store {
///     #[async_context(own(pool = self.pool.clone(), label = label.to_owned()))]
///     async fn transaction(&self, label: &str) -> io::Result<Transaction> {
///         let mut tx = pool.begin().await?;
///         if yield_resource!(tx).is_completed() {
///             tx.commit().await?;
///             println!("{label}: committed");
///         }
///     }
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// # let transaction = Store { pool: Pool }.transaction(&String::from("neither outlives this line"));
/// # transaction.with(async |_| -> io::Result<()> { Ok(()) }).await
/// # }
/// ```
///
/// ## `suppress`: the context may swallow its body's error
///
/// The exit has `suppress()`, and the context may end its body early without an error of its own. `with` then returns
/// `Result<Option<R>, B>`: the type says that there may be no value.
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # #[derive(PartialEq, Debug)]
/// # struct NotFound;
/// #[async_context(suppress)]
/// async fn not_found_is_fine() {
///     let exit = yield_resource!();
///     if exit.error().is_some_and(|error| error.is::<NotFound>()) {
///         exit.suppress();
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let row = not_found_is_fine().with(async |_| -> Result<u32, NotFound> { Err(NotFound) }).await;
/// assert_eq!(row, Ok(None));
/// # }
/// ```
///
/// ## `guard`, `wrapping`: whether it has a guard, against the guess
///
/// `guard` says that the context wraps nothing around its body, though the yield is nested; `wrapping` says that it does, which only
/// the declaration of a trait's method needs, for that has no body to tell.
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # struct Connection;
/// # impl Connection {
/// #     fn new() -> Self { Connection }
/// # }
/// # macro_rules! my_log { ($($arguments:tt)*) => { assert_eq!(format!($($arguments)*), "how it ended: Completed") } }
/// #[async_context(guard)]
/// async fn traced() -> Connection {
///     let mut connection = Connection::new();
///     my_log!("how it ended: {:?}", yield_resource!(connection)); // a macro, but not one that wraps
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let Ok(connection) = traced().enter().await;
/// # let Ok(()) = connection.exit().await;
/// # }
/// ```
///
/// ## `boxed`: a type that has a name
///
/// The function returns a `BoxContextManager<'a, T, E>` (or its infallible kin), for `dyn` traits, struct fields and recursion. What
/// it borrows gets one lifetime, which must be named where several things are borrowed.
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # use std::io;
/// # #[derive(Clone)]
/// # struct Client;
/// # impl Client {
/// #     async fn lock(&self, key: &str) -> io::Result<Lock> { Ok(Lock(key.to_owned())) }
/// # }
/// # struct Lock(String);
/// # impl Lock {
/// #     async fn release(self) -> io::Result<()> { Ok(()) }
/// # }
/// # struct Redis { client: Client }
/// trait Locks {
///     #[async_context(boxed)]
///     async fn lock(&self, key: &str) -> io::Result<Lock>;
/// }
///
/// impl Locks for Redis {
///     #[async_context(boxed, own(client = self.client.clone(), key = key.to_owned()))]
///     async fn lock(&self, key: &str) -> io::Result<Lock> {
///         let mut lock = client.lock(&key).await?;
///         let _ = yield_resource!(lock);
///         lock.release().await?;
///     }
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// # let locks: Box<dyn Locks> = Box::new(Redis { client: Client });
/// # let lock = locks.lock("invoices").enter().await?;
/// # assert_eq!(lock.0, "invoices");
/// # lock.exit().await
/// # }
/// ```
///
/// In a trait, the declaration's policy says what its implementations may borrow. Without one, as here, that is nothing: the method is a `fn(&self, key: &str) -> BoxContextManager<'static, Lock, io::Error>`, and all
/// of them `own` what they need. With `on_cancel = block` or `drop`, and a named lifetime (`fn lock<'a>(&'a self, key: &'a str)`), it is `BoxContextManager<'a, …>`. Either may be implemented by a plain `fn` of
/// that signature, too, which returns some other context `.boxed()`: one that owns, where others borrow.
///
/// ## `fallible`, `infallible`: what the return type is, against the guess
///
/// ```
/// # use contextlib::{async_context, yield_resource};
/// # use std::{io, path::PathBuf};
/// # use tokio::fs::File;
/// # #[derive(PartialEq, Default, Debug)]
/// # struct QueryResult(u64);
/// type Opened<T> = io::Result<T>;
///
/// #[async_context(fallible)] // an alias of `Result` whose name doesn't end so
/// async fn opened(path: PathBuf) -> Opened<File> {
///     let mut file = File::open(path).await?;
///     let _ = yield_resource!(file);
/// }
///
/// #[async_context(infallible)] // the resource is a `QueryResult`; it isn't a `Result`
/// async fn queried() -> QueryResult {
///     let _ = yield_resource!(QueryResult::default());
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let missing = opened(PathBuf::from("no such file")).with(async |_| -> io::Result<()> { Ok(()) }).await;
/// # assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
/// # assert_eq!(queried().run(async |result| std::mem::take(result)).await, QueryResult(0));
/// # }
/// ```
///
/// ## `crate = path`: where `contextlib` is
///
/// For a crate that re-exports it, or that depends on it under another name.
///
/// ```
/// # mod my_facade {
/// #     pub use contextlib;
/// # }
/// # use contextlib::async_context;
/// #[async_context(crate = my_facade::contextlib)]
/// async fn renamed() {
///     let _ = my_facade::contextlib::yield_resource!();
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # renamed().run(async |_| ()).await;
/// # }
/// ```
///
/// # Errors
///
/// - A borrowing context without a policy that lets it borrow says so at its definition, and lists the ways out. The attribute sees a borrow where it is written: a
///   reference, a lifetime. It doesn't see one hidden in `Self` (`impl<'a> Cursor<'a> { async fn open(self) … }`), in an alias or in a path (`row: Row` for a `Row<'_>`);
///   there rustc says that something *must outlive `'static`*. Write the lifetime, `self: Cursor<'a>` and `row: Row<'_>`; the ways out are the same then: own what it needs, or say
///   `on_cancel = block` or `drop`.
/// - A context whose frame isn't `Send` (`spawn`) is refused at its definition too, and what isn't is named.
/// - `#[async_trait]` rewrites methods before this attribute sees them: a trait of contexts needs no `#[async_trait]`.
/// - A yield inside of another context's `with`, `run` or `async_with!` looks at its exit: that context would be told that its body has completed, whatever has happened,
///   where it is discarded, as in `let _ = yield_resource!(…)`.
/// - `yield_resource!` must be written by this name, with or without a path before it: the attribute looks for it among the tokens of
///   the body.
#[doc(alias = "asynccontextmanager", alias = "contextmanager")]
#[proc_macro_attribute]
pub fn async_context(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::async_context(args.into(), item.into()).into()
}

/// Behind `contextlib::async_with!`, which passes the crate's path.
#[doc(hidden)]
#[proc_macro]
pub fn async_with(input: TokenStream) -> TokenStream {
    async_with::async_with(input.into()).into()
}

/// Runs an async function inside of contexts: a decorator, a fixture for a test, a transaction around a handler.
///
/// ```text
/// #[within(database = temporary_database(), tx = transaction(database.pool()))]
/// #[tokio::test]
/// async fn inserts(tx: &mut Transaction<'static, Sqlite>) -> Result<(), sqlx::Error> { … }
/// ```
///
/// Mirrors a Python context manager used as a decorator, and pytest's `yield` fixtures.
///
/// # What it goes on
///
/// Any `async fn` with a body: free, a method with any receiver, generic, with patterns among its arguments. Not a method under `#[async_trait]`,
/// which has rewritten it before this attribute sees it: use [`async_with!`](https://docs.rs/contextlib/latest/contextlib/macro.async_with.html) in its body.
/// Whatever makes the function synchronous comes *below* it: `#[tokio::test]`, `#[tokio::main]`. So does what gives a test its other arguments, which are left to that:
/// `#[rstest]`, `#[test_case(…)]`; and what looks at the function's arguments, such as `#[axum::debug_handler]`.
///
/// # Arguments
///
/// The contexts are entered when the function is called, from left to right, the later ones inside the earlier ones. Their expressions may use
/// the function's arguments and the resources before them. What they borrow may be without a name, as in `name = context(&format!("…"))`.
/// `#[within(a)]` above `#[within(b)]`, both by this name, is `#[within(a, b)]`: as of Python's decorators, the upper one is around the lower one.
///
/// | written | what the function gets |
/// |---|---|
/// | `name = context` | its argument of that name is the resource, a `&mut`, and callers no longer pass it |
/// | `name = context` without such an argument | the same, as a variable in the contexts that follow and in the body |
/// | `context`, `_ = context` | nothing: the function only runs inside |
/// | `fallible`, `infallible` | what it returns is a `Result`, or isn't one, though its type's name says otherwise |
/// | `crate = path` | `contextlib` is there |
///
/// # Errors
///
/// A function that returns a `Result` (a type whose name ends so) has a context's error converted to its own with `From`. Any other has none to
/// return, so there an error is a panic that names the context: in a test, a setup that fails fails the test. A function that returns a `Result` under another
/// name, or behind an `impl Trait`, doesn't compile until it says which of the two it is: else its contexts would take an `Err` for a success.
///
/// # Panics
///
/// A panic of the function, such as a failed assertion in a test, goes on after every teardown.
///
/// # Suppression
///
/// Where a suppressing context has swallowed the function's failure, the function returns `()` or `None`, in an `Ok` if it returns a `Result`.
/// What can't be missing is a compile error: see `contextlib::kind::MayBeMissing`.
///
/// # Cancellation
///
/// As in closure style: a dropped call leaves its contexts to their policies.
#[proc_macro_attribute]
pub fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    within::within(args.into(), item.into()).into()
}
