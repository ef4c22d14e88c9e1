//! Bounds for whatever takes any context.

use crate::{
    AsyncContext, IntoContextManager,
    kind::{ContextError, ContextResource, Kind, RaiseAs, Strict},
    policy::Policy,
};

/// A context whose resource is a `T` and whose errors become `E`s: what a function asks for that takes any context.
///
/// Implemented for every context that is `Send` and suppresses nothing: one that a context function returned, a struct, a tuple, or a boxed one. It
/// has no methods of its own. Run the context with [`async_with!`](crate::async_with), or with the methods of what
/// [`into_context_manager`](IntoContextManager::into_context_manager) returns.
///
/// Mirrors the type hint `AbstractAsyncContextManager[T]` of Python.
///
/// ```
/// use contextlib::{BodyError, ContextOf, IntoContextManager, async_context, async_with, yield_resource};
/// use std::{io, time::Instant};
///
/// async fn timed<T, R, E: BodyError>(
///     context: impl ContextOf<T, E>,
///     body: impl AsyncFnOnce(&mut T) -> Result<R, E>,
/// ) -> Result<R, E> {
///     let start = Instant::now();
///     let end = async_with!(resource = context, async { body(resource).await }).await;
///     println!("open for {:?}", start.elapsed());
///     end
/// }
///
/// async fn doubled(context: impl ContextOf<u8, io::Error>) -> io::Result<u8> {
///     // The method of a type: rustc can't prove that a trait's own is `Send` where it doesn't know the context.
///     let context = context.into_context_manager();
///     context.with(async |number| Ok(*number * 2)).await
/// }
///
/// #[async_context]
/// async fn number() -> io::Result<u8> {
///     let mut number = 7;
///     let _ = yield_resource!(number);
/// }
///
/// #[async_context]
/// async fn one() -> u8 {
///     let _ = yield_resource!(1);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// assert_eq!(timed(number(), async |number| io::Result::Ok(*number)).await?, 7);
/// assert_eq!(tokio::spawn(doubled(number())).await??, 14);
/// assert_eq!(doubled(one()).await?, 2);
/// # Ok(())
/// # }
/// ```
///
/// # More, or less
///
/// A guard needs a context that can be entered: `impl ContextOf<T, E, Context: AsyncContext<Kind: CanEnter>>`. Its `enter` and `exit` return the
/// context's own error.
///
/// A function may also take contexts of one thread, or [suppressing](crate::kind::Suppressing) ones. It then asks for [`IntoContextManager`] and says
/// the rest itself. This is all that `async_with!` needs:
///
/// ```
/// use contextlib::kind::{Kind, RaiseAs, Strict};
/// use contextlib::{AsyncContext, BodyError, IntoContextManager, async_with, null_context};
/// use std::{io, rc::Rc};
///
/// async fn logged<M, F, R, E>(context: M, body: F) -> Result<R, E>
/// where
///     M: IntoContextManager<Context: AsyncContext<Kind: RaiseAs<E> + Kind<Suppression = Strict>>>,
///     F: AsyncFnOnce(&mut <M::Context as AsyncContext>::Resource) -> Result<R, E>,
///     E: BodyError,
/// {
///     async_with!(it = context, async {
///         println!("entered");
///         body(it).await
///     })
///     .await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let doubled = logged(null_context(Rc::new(7)), async |number| io::Result::Ok(**number * 2)).await?;
/// assert_eq!(doubled, 14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AbstractAsyncContextManager")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a context that yields a `{T}` and whose errors become a `{E}`",
    label = "not a context that yields a `{T}`",
    note = "call a context function: `name(…)`; for a struct, implement `AsyncContextManager`, and pass it by value"
)]
pub trait ContextOf<T, E>:
    IntoContextManager<
        Context: AsyncContext<
            Resource = T,
            Kind: RaiseAs<E> + Kind<Error: ContextError, Suppression = Strict>,
        > + Send,
        Policy: Policy<Self::Context, Storage: Send, Origin: Send>,
    >
{
}

// No `do_not_recommend`: so rustc names the bound that isn't met, each of which has a message of its own.
impl<M, T, E> ContextOf<T, E> for M where
    M: IntoContextManager<
            Context: AsyncContext<
                Resource = T,
                Kind: RaiseAs<E> + Kind<Error: ContextError, Suppression = Strict>,
            > + Send,
            Policy: Policy<Self::Context, Storage: Send, Origin: Send>,
        >
{
}

/// A context that may be run in a task: what [`with`](IntoContextManager::with), [`run`](IntoContextManager::run) and [`outcome`](IntoContextManager::outcome) ask of a tuple, of a struct, and
/// of whatever else is a context by [`IntoContextManager`].
///
/// Implemented for every context that is `Send`, and hands out and fails with what is `Send`. A function that takes any context mostly says more, what it yields and what its errors become, and asks
/// for a [`ContextOf`].
///
/// ```
/// use contextlib::{IntoContextManager, Outcome, SendContext, async_context, yield_resource};
///
/// /// Whether the teardown went well.
/// async fn ends_well<M: SendContext>(context: M) -> bool {
///     let context = context.into_context_manager();
///     let outcome: Outcome<_, std::fmt::Error, _> = context.outcome(async |_| Ok(())).await;
///     outcome.context.is_ok()
/// }
///
/// #[async_context]
/// async fn number() -> std::io::Result<u8> {
///     let _ = yield_resource!(7);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert!(ends_well(number()).await);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't known to be a context that is `Send`",
    label = "`with`, `run` and `outcome` ask for a context that is `Send`, and hands out and fails with what is",
    note = "a function that returns a context says which: `-> ContextManager<impl AsyncContext<Resource = T, Kind = Fallible<E>>>`, and not `-> impl IntoContextManager`",
    note = "a function that takes any context asks for `impl ContextOf<T, E>`",
    note = "`with_local`, `run_local`, `async_with!` and guards take contexts that aren't `Send`"
)]
pub trait SendContext:
    IntoContextManager<
        Context: AsyncContext<Resource: ContextResource, Kind: Kind<Error: ContextError>> + Send,
        Policy: Policy<Self::Context, Storage: Send, Origin: Send>,
    >
{
}

// One error where there would be five, each for every place at which the future is mentioned.
#[diagnostic::do_not_recommend]
impl<M> SendContext for M where
    M: IntoContextManager<
            Context: AsyncContext<Resource: ContextResource, Kind: Kind<Error: ContextError>>
                         + Send,
            Policy: Policy<Self::Context, Storage: Send, Origin: Send>,
        >
{
}
