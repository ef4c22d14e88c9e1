//! The macros of [`contextlib`](https://docs.rs/contextlib), which re-exports them: depend on that crate, not on this one.

#![forbid(unsafe_code)]

mod args;
mod async_with;
mod attributes;
mod bindings;
mod block;
mod borrows;
mod context;
mod editors;
mod error;
mod expand;
mod flow;
mod function;
mod known;
mod nest;
mod returns;
mod spelling;
mod temporaries;
#[cfg(test)]
mod testing;
mod tokens;
mod types;
mod validate;
mod within;
mod yields;

use proc_macro::TokenStream;

/// Makes an async context manager of an `async fn` that yields its resource once.
///
/// What is before `yield_resource!` is the setup, and what is after it is the teardown. The caller's body runs in between. The function itself
/// becomes a plain one that returns a `ContextManager`: calling it keeps the arguments and runs nothing.
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
/// Any `async fn`: free, a method with any receiver, one that a trait declares or implements. Generics, `where` clauses, `impl Trait`, patterns and
/// `mut` arguments, attributes and visibility are kept as written.
///
/// - `-> Result<T, E>`, and each type whose name ends in `Result`, makes a fallible context that yields a `T`. Its setup and teardown may use `?`.
///   Any other return type makes an infallible context.
/// - The function ends in `()` or in `Ok(())`, which may be left out. The resource is yielded, not returned.
/// - Each path to a successful end yields exactly once. A second yield is a compile error. So is a function without a yield, and a success that can be
///   seen to come before the yield: `return Ok(());`, or `return;` where nothing can fail. Any other path without a yield panics when it is taken, and
///   the panic names the function. A sketch that ends in `todo!()` or its like need not yield yet.
/// - A yield nested in an `async` block, in a closure or in a macro other than the standard library's makes a *wrapping* context, such as one with a
///   timeout around the body. It has no guard: use `with` or `async_with!`.
/// - A context that a trait declares with `on_cancel = drop` or `block` isn't known to be `Send` in generic code, but `with` needs that there.
///   `boxed` makes it `Send`.
///
/// # Arguments
///
/// The arguments may be combined, in any order: `#[async_context(on_cancel = block, suppress)]`.
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
/// By default (`setup = drop`) a setup whose caller is gone is dropped, like any future. With `finish`, a background task runs the setup to its yield
/// point and then tears the context down. So nothing that the setup was acquiring on a remote side leaks. This is for `on_cancel = spawn`.
///
/// Whatever is around the context waits for that, as for any rollback inside: the teardown of a context that was entered before, also that of
/// `contextlib::timeout`. A setup that itself waits for something held around it is waited for in vain. An example is a second lease of something
/// that can be leased only once. Give such a wait a limit of its own, inside the context function.
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
/// The expressions are evaluated in order when the function is called. The function has their values. What becomes of its arguments:
///
/// - It doesn't have a `self` or an argument that borrows, as far as that is written (`&T`, `Row<'_>`).
/// - It doesn't have an argument that is moved by `own(other = argument)`.
/// - It keeps the others, used or not. Of a pattern, it keeps what has a name or a `_`, and not what `..` passes over.
///
/// So the manager borrows nothing. But its type still mentions the lifetimes of what isn't kept, as every opaque type does. A function that returns
/// such a manager, or a `Vec` of them, says `+ Send + 'static` and not `use<>`. A closure or an `async` block that owns what the function was called
/// on, as in `move |pool: Pool| pool.lease()`, can't return the manager (E0515). Put `.boxed()` behind the call: `pool.lease().boxed()`.
///
/// `own(mut name = …)` makes a mutable variable.
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
/// The exit has `suppress()`, and the context may end its body early without an error of its own. So `with` returns `Result<Option<R>, B>`: the type
/// says that there may be no value.
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
/// - `guard` says that the context wraps nothing around its body, though the yield is nested.
/// - `wrapping` says that it does. Only the declaration of a trait's method needs that, because it has no body to tell.
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
/// The function returns a `BoxContextManager<'a, T, E>` (or its infallible kin), for `dyn` traits, struct fields and recursion. What it borrows gets
/// one lifetime. Name that lifetime where several things are borrowed.
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
/// In a trait, the declaration's policy says what its implementations may borrow:
///
/// - Without a policy, as here, they may borrow nothing. The method is a `fn(&self, key: &str) -> BoxContextManager<'static, Lock, io::Error>`, and
///   all implementations `own` what they need.
/// - With `on_cancel = block` or `drop`, and a named lifetime (`fn lock<'a>(&'a self, key: &'a str)`), the method returns a
///   `BoxContextManager<'a, …>`.
///
/// A plain `fn` of that signature may implement either, too. It returns some other context `.boxed()`, such as one that owns where others borrow.
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
/// - A context that borrows, without a policy that lets it borrow, says so at its definition, and lists the ways out: own what it needs, or say
///   `on_cancel = block` or `drop`.
/// - The attribute sees a borrow only where it is written: a reference, a lifetime. It doesn't see one hidden in `Self`
///   (`impl<'a> Cursor<'a> { async fn open(self) … }`), in an alias or in a path (`row: Row` for a `Row<'_>`). There rustc says that something *must
///   outlive `'static`*. Write the lifetime, `self: Cursor<'a>` and `row: Row<'_>`. The ways out are then the same.
/// - A context whose frame isn't `Send` (`spawn`) is refused at its definition, too. The error names what isn't `Send`.
/// - `#[async_trait]` rewrites methods before this attribute sees them: a trait of contexts needs no `#[async_trait]`.
/// - A yield inside another context's `with`, `run` or `async_with!` must look at its exit. Where the exit is discarded, as in
///   `let _ = yield_resource!(…)`, the other context would be told that its body has completed, whatever has happened.
/// - `yield_resource!` must be written by this name, with or without a path before it: the attribute looks for it among the tokens of the body.
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

/// Runs an async function inside contexts: a decorator, a fixture for a test, a transaction around a handler.
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
/// which has rewritten it before this attribute sees it: use [`async_with!`](https://docs.rs/contextlib/latest/contextlib/macro.async_with.html) in
/// its body.
///
/// Put these attributes *below* `#[within]`:
///
/// - what makes the function synchronous: `#[tokio::test]`, `#[tokio::main]`;
/// - what gives a test its other arguments, which `#[within]` leaves to it: `#[rstest]`, `#[test_case(…)]`; and rstest's `#[fixture]`;
/// - what looks at the function's arguments, such as `#[axum::debug_handler]`;
/// - `#[tracing::instrument]`, whose span is then around setup, body and awaited teardown; written above `#[within]`, it is around the body only, and
///   has the resources among its fields.
///
/// # Arguments
///
/// The contexts are entered when the function runs, from left to right, the later ones inside the earlier ones. Nothing happens before its future is
/// polled, as with any `async fn`. The contexts' expressions may use the function's arguments and the resources before them. They may borrow a value
/// that has no name, as in `name = context(&format!("…"))`.
///
/// `#[within(a)]` above `#[within(b)]`, both by this name, is `#[within(a, b)]`: as with Python's decorators, the upper one is around the lower one.
///
/// | written | what it means |
/// |---|---|
/// | `name = context` | the function's argument of that name is the resource, a `&mut`, and callers no longer pass it |
/// | `name = context` without such an argument | the resource is a variable of that name, in the contexts that follow and in the body |
/// | `context`, `_ = context` | the function gets nothing: it only runs inside |
/// | `?Send` | the function's error isn't `Send`, such as a `Box<dyn Error>`: the contexts see its text |
/// | `fallible`, `infallible` | what the function returns is a `Result`, or isn't one, though its type's name says otherwise |
/// | `crate = path` | `contextlib` is there |
///
/// # Errors
///
/// - If the function returns a `Result` (a type whose name ends so), a context's error is converted to the function's own with `From`.
/// - Any other function has no error to return. There a context's error is a panic that names the context: in a test, a setup that fails fails the
///   test.
/// - A function that returns a `Result` under another name, or behind an `impl Trait`, doesn't compile until it says which of the two it is:
///   `fallible` or `infallible`. Otherwise its contexts would take an `Err` for a success.
///
/// # Panics
///
/// A panic of the function, such as a failed assertion in a test, goes on after every teardown.
///
/// # Suppression
///
/// Where a suppressing context has swallowed the function's failure, the function returns `()` or `None`, in an `Ok` if it returns a `Result`. A
/// return type that has neither is a compile error: see `contextlib::kind::MayBeMissing`.
///
/// # Cancellation
///
/// As in closure style: a dropped call leaves its contexts to their policies.
#[proc_macro_attribute]
pub fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    within::within(args.into(), item.into()).into()
}
