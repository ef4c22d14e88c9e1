//! The macros of [`contextlib`](https://docs.rs/contextlib), which re-exports them: depend on that crate, not on this one.

#![forbid(unsafe_code)]

mod args;
mod arguments;
mod async_with;
mod bindings;
mod borrows;
mod context;
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
/// ```ignore
/// use contextlib::{async_context, yield_resource};
///
/// #[async_context]
/// async fn transaction(pool: SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
///     let mut tx = pool.begin().await?;
///     if yield_resource!(tx).is_completed() {
///         tx.commit().await?;
///     } else {
///         tx.rollback().await?;
///     }
/// }
///
/// let id = transaction(pool).with(async |tx| -> Result<i64, AppError> { insert(tx).await }).await?;
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
/// ```ignore
/// #[async_context(on_cancel = block)]
/// async fn savepoint(connection: &mut SqliteConnection) -> Result<Savepoint<'_>, sqlx::Error> {
///     let mut savepoint = Savepoint::create(connection).await?;
///     if yield_resource!(savepoint).is_completed() {
///         savepoint.release().await?;
///     }
/// }
/// ```
///
/// ## `setup = finish`: a cancelled setup runs on
///
/// By default (`setup = drop`) a setup whose caller is gone is dropped, like any future. With `finish`, a background task runs it to
/// its yield point and tears it down again, so that what it was acquiring on a remote side doesn't leak. For `on_cancel = spawn`.
///
/// Whatever is around it waits for that, as for any rollback inside: a timeout around the `enter`, and the teardown of a context that was entered before. So a setup that waits
/// for something that is held around it, a second lease of one that there is once, is waited for in vain: give such a wait a limit of its own, inside the context function.
///
/// ```ignore
/// #[async_context(setup = finish)]
/// async fn lease(registry: Registry) -> Result<Lease, RegistryError> {
///     let mut lease = registry.acquire().await?; // the registry may have granted it already when the caller gives up
///     let _ = yield_resource!(lease);
///     registry.release(lease).await?;
/// }
/// ```
///
/// ## `own(name = expression, …)`: what the context owns, though the function borrows
///
/// The expressions are evaluated in order when the function is called; the body has their values, and not `self` or the arguments
/// that borrow. The manager then borrows nothing. `own(mut name = …)` makes a mutable variable.
///
/// ```ignore
/// impl Store {
///     #[async_context(own(pool = self.pool.clone(), label = label.to_owned()))]
///     async fn transaction(&self, label: &str) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
///         let mut tx = pool.begin().await?;
///         if yield_resource!(tx).is_completed() {
///             tx.commit().await?;
///             log(&label);
///         }
///     }
/// }
/// ```
///
/// ## `suppress`: the context may swallow its body's error
///
/// The exit has `suppress()`, and the context may end its body early without an error of its own. `with` then returns
/// `Result<Option<R>, B>`: the type says that there may be no value.
///
/// ```ignore
/// #[async_context(suppress)]
/// async fn not_found_is_fine() {
///     let exit = yield_resource!();
///     if exit.error().is_some_and(|error| error.downcast_ref::<NotFound>().is_some()) {
///         exit.suppress();
///     }
/// }
/// ```
///
/// ## `guard`, `wrapping`: whether it has a guard, against the guess
///
/// `guard` says that the context wraps nothing around its body, though the yield is nested; `wrapping` says that it does, which only
/// the declaration of a trait's method needs, for that has no body to tell.
///
/// ```ignore
/// #[async_context(guard)]
/// async fn traced() -> Connection {
///     let mut connection = Connection::new();
///     my_log!("how it ended: {:?}", yield_resource!(connection)); // a macro, but not one that wraps
/// }
/// ```
///
/// ## `boxed`: a type that has a name
///
/// The function returns a `BoxContextManager<'a, T, E>` (or its infallible kin), for `dyn` traits, struct fields and recursion. What
/// it borrows gets one lifetime, which must be named where several things are borrowed.
///
/// ```ignore
/// trait Locks {
///     #[async_context(boxed)]
///     async fn lock(&self, key: &str) -> Result<Lock, LockError>;
/// }
///
/// impl Locks for Redis {
///     #[async_context(boxed, own(client = self.client.clone(), key = key.to_owned()))]
///     async fn lock(&self, key: &str) -> Result<Lock, LockError> {
///         let mut lock = client.lock(&key).await?;
///         let _ = yield_resource!(lock);
///         lock.release().await?;
///     }
/// }
/// ```
///
/// ## `fallible`, `infallible`: what the return type is, against the guess
///
/// ```ignore
/// type Opened<T> = Result<T, OpenError>;
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
/// ```
///
/// ## `crate = path`: where `contextlib` is
///
/// For a crate that re-exports it, or that depends on it under another name.
///
/// ```ignore
/// #[async_context(crate = my_facade::contextlib)]
/// async fn renamed() {
///     let _ = my_facade::contextlib::yield_resource!();
/// }
/// ```
///
/// # Errors
///
/// - A borrowing context without a policy that lets it borrow says so at its definition, and lists the ways out. The attribute sees a borrow where it is written: a
///   reference, a lifetime. It doesn't see one hidden in `Self` (`impl<'a> Cursor<'a> { async fn open(self) … }`), in an alias or in a path (`row: Row` for a `Row<'_>`);
///   there rustc says that something *must outlive `'static`*. The ways out are the same: own it, or say `on_cancel = block` or `drop`.
/// - A context whose frame isn't `Send` (`spawn`) is refused at its definition too, and what isn't is named.
/// - `#[async_trait]` rewrites methods before this attribute sees them: a trait of contexts needs no `#[async_trait]`.
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
/// `#[rstest]`, `#[test_case(…)]`.
///
/// # Arguments
///
/// The contexts are entered when the function is called, from left to right, the later ones inside the earlier ones. Their expressions may use
/// the function's arguments and the resources before them. What they borrow may be without a name, as in `name = context(&format!("…"))`.
///
/// | written | what the function gets |
/// |---|---|
/// | `name = context` | its argument of that name is the resource, a `&mut`, and callers no longer pass it |
/// | `name = context` without such an argument | the same, for the contexts that follow |
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
