//! Contexts that close what they are given.

use crate::{
    __private::{defined, spawned},
    AsyncContext, ContextManager, YieldOnce,
    kind::{Fallible, Infallible, Kind, Never},
    policy,
};
use std::fmt::Debug;

/// Something that is closed by an `async` method: a connection, a stream, a file that is flushed.
///
/// ```
/// use contextlib::{contexts::{AsyncClose, closing}, kind::Fallible};
/// use std::io;
///
/// struct Connection;
///
/// impl AsyncClose for Connection {
///     type Kind = Fallible<io::Error>;
///
///     async fn close(self) -> io::Result<()> {
///         println!("closed");
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// closing(Connection).with(async |_connection| -> io::Result<()> { Ok(()) }).await
/// # }
/// ```
#[doc(alias = "aclose")]
#[diagnostic::on_unimplemented(
    message = "`closing` can't close a `{Self}`, which doesn't implement `AsyncClose`",
    label = "not an `AsyncClose`",
    note = "say how to close it: `closing_with(resource, async |resource| resource.close().await)`; or, for a type of yours, implement `contextlib::contexts::AsyncClose`"
)]
pub trait AsyncClose {
    /// [`Fallible<E>`] with the error of `close`, or [`Infallible`](crate::kind::Infallible).
    type Kind: Kind;

    /// Closes it.
    ///
    /// # Errors
    /// Its own.
    fn close(self) -> impl Future<Output = Result<(), <Self::Kind as Kind>::Error>> + Send;
}

/// A context that hands `resource` out and closes it in the end, however the body ended.
///
/// One allocation. Mirrors `contextlib.aclosing`.
///
/// # Errors
/// That of [`close`](AsyncClose::close).
///
/// # Cancellation
/// It is closed in the background. So `with` and `enter` need the feature `tokio`.
///
/// ```
/// # use contextlib::{contexts::{AsyncClose, closing}, kind::{Infallible, Never}};
/// # struct Rows(std::vec::IntoIter<u8>);
/// # impl AsyncClose for Rows {
/// #     type Kind = Infallible;
/// #     async fn close(self) -> Result<(), Never> { Ok(()) }
/// # }
/// # async fn rows() -> Rows { Rows(vec![1, 2].into_iter()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let first = closing(rows().await).run(async |rows| rows.0.next()).await;
/// assert_eq!(first, Some(1));
/// # }
/// ```
#[doc(alias = "aclosing")]
#[track_caller]
pub fn closing<T>(
    resource: T,
) -> ContextManager<impl AsyncContext<Resource = T, Kind = T::Kind> + Send + 'static, policy::Spawn>
where
    T: AsyncClose<Kind: 'static> + Send + 'static,
{
    spawned::<T, T::Kind, _>(
        defined(|| "closing"),
        async move |yielder: YieldOnce<'_, _, _>| {
            let (resource, _) = yielder.lend(resource).await;
            T::Kind::returned(resource.close().await)
        },
    )
}

/// A context that hands `resource` out and calls `close` with it in the end, however the body ended.
///
/// As [`closing`], for a type that doesn't implement [`AsyncClose`]. What `close` captures is `Send + 'static`. If it returns `()`, the context can't fail; otherwise it returns a `Result<(), E>`.
///
/// # Errors
/// That of `close`.
///
/// # Cancellation
/// As for [`closing`]: it is closed in the background, so `with` and `enter` need the feature `tokio`.
///
/// ```
/// use contextlib::contexts::closing_with;
/// use std::io;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
/// closing_with(sender, async |sender| sender.send("bye").await.map_err(io::Error::other))
///     .with(async |sender| sender.send("hello").await.map_err(io::Error::other))
///     .await?;
/// assert_eq!(receiver.recv().await, Some("hello"));
/// assert_eq!(receiver.recv().await, Some("bye"));
/// # Ok(())
/// # }
/// ```
///
/// ```
/// use contextlib::contexts::closing_with;
/// use tokio::task::JoinSet;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tasks = closing_with(JoinSet::new(), async |mut tasks: JoinSet<u8>| tasks.shutdown().await);
/// let first = tasks.run(async |tasks| {
///     tasks.spawn(async { 7 });
///     tasks.join_next().await
/// });
/// assert!(matches!(first.await, Some(Ok(7))));
/// # }
/// ```
#[doc(alias = "aclosing")]
#[track_caller]
pub fn closing_with<T, O, F, Fut>(
    resource: T,
    close: F,
) -> ContextManager<impl AsyncContext<Resource = T, Kind = O::Kind> + Send + 'static, policy::Spawn>
where
    T: Send + 'static,
    O: Closed<Kind: 'static>,
    F: FnOnce(T) -> Fut + Send + 'static,
    Fut: Future<Output = O> + Send + 'static,
{
    spawned::<T, O::Kind, _>(
        defined(|| "closing_with"),
        async move |yielder: YieldOnce<'_, _, _>| {
            let (resource, _) = yielder.lend(resource).await;
            O::Kind::returned(close(resource).await.closed())
        },
    )
}

/// What closing something comes to: `()`, or a `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "what is closed by `closing_with` comes to `()` or to a `Result<(), E>`, not to a `{Self}`",
    label = "end the closure with `;`, or with `Ok::<_, YourError>(())`"
)]
pub trait Closed {
    /// [`Infallible`] for `()`, and [`Fallible<E>`] for a `Result<(), E>`.
    type Kind: Kind;
    #[doc(hidden)]
    fn closed(self) -> Result<(), <Self::Kind as Kind>::Error>;
}

impl Closed for () {
    type Kind = Infallible;

    fn closed(self) -> Result<(), Never> {
        Ok(())
    }
}

impl<E: Debug> Closed for Result<(), E> {
    type Kind = Fallible<E>;

    fn closed(self) -> Result<(), E> {
        self
    }
}
