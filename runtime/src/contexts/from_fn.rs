//! A context made of two closures.

use crate::{
    __private::{defined, spawned},
    AsyncContext, ContextManager, Exit, YieldOnce,
    frame::tell_with,
    kind::Fallible,
    policy,
};
use std::fmt::Debug;

/// An `async` closure that takes a resource and how the body ended, as a trait that gives its future a name.
///
/// Implemented for every such closure; `Fut` is what calling it returns.
#[diagnostic::on_unimplemented(
    message = "a teardown is an `async` closure that takes the resource and the `Exit`",
    label = "not an `async |resource, exit| -> Result<(), _> {{ … }}`"
)]
pub trait Teardown<T, Fut>: sealed::Sealed<T, Fut> {
    #[doc(hidden)]
    fn call(self, resource: T, exit: Exit<'static>) -> Fut;
}

mod sealed {
    use crate::Exit;

    pub trait Sealed<T, Fut> {}
    impl<F: FnOnce(T, Exit<'static>) -> Fut, T, Fut> Sealed<T, Fut> for F {}
}

impl<F, T, Fut> Teardown<T, Fut> for F
where
    F: FnOnce(T, Exit<'static>) -> Fut,
{
    #[inline(always)]
    fn call(self, resource: T, exit: Exit<'static>) -> Fut {
        self(resource, exit)
    }
}

/// A context made of a setup and a teardown.
///
/// Both closures return a `Result`, with the same error: a setup in which nothing can fail ends in `Ok::<_, YourError>(…)`.
///
/// For where an attribute is too much, such as in a test, and for what another language calls `defer`. What the closures capture is `Send + 'static`. One
/// allocation.
///
/// # Errors
/// Those of the closures. If the setup fails, the teardown isn't called.
///
/// # Cancellation
/// It is rolled back in the background, as context functions are by default. So `with` and `enter` need the feature `tokio`.
///
/// ```
/// use contextlib::contexts::from_fn;
/// use std::{fs, io, path::PathBuf};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let file = std::env::temp_dir().join(format!("from_fn-{}", std::process::id()));
/// let path = file.clone();
/// let scratch = from_fn(
///     async move || {
///         fs::write(&path, "scratch")?;
///         Ok(path)
///     },
///     async |path: PathBuf, _| fs::remove_file(path),
/// );
/// let length = scratch
///     .with(async |path| -> io::Result<usize> { Ok(fs::read(path)?.len()) })
///     .await?;
/// assert_eq!(length, 7);
/// assert!(!file.exists());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "defer")]
#[track_caller]
pub fn from_fn<T, E, S, F, D, Fut>(
    setup: S,
    teardown: D,
) -> ContextManager<
    impl AsyncContext<Resource = T, Kind = Fallible<E>> + Send + 'static,
    policy::Spawn,
>
where
    T: Send + 'static,
    E: Debug + Send + 'static,
    S: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    D: AsyncFnOnce(T, Exit<'_>) -> Result<(), E> + Teardown<T, Fut> + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
{
    spawned::<T, Fallible<E>, _>(
        defined(|| "from_fn"),
        async move |yielder: YieldOnce<'_, _, _>| {
            let resource = setup().await?;
            let (resource, exit) = yielder.lend(resource).await;
            tell_with(teardown, resource, exit).await
        },
    )
}
