//! Contexts that swallow errors.

use crate::{
    __private::{defined, on_cancel_drop},
    AsyncContext, ContextManager, YieldOnce,
    kind::{Infallible, Suppressing},
    policy,
};
use std::any::Any;

/// A context that swallows its body's error if that is an `E`.
///
/// What comes out of the body is then an `Option`, `None` for an error that was swallowed. Other errors pass, and so do panics. It has nothing to tear
/// down: its [policy] is `drop`, and `with` allocates nothing but the box of a failed body's error. Mirrors `contextlib.suppress`.
///
/// The error's type is the one that the body returns. (Or it is the error of what is inside this context: in a
/// [tuple](crate::IntoContextManager#tuples), the next context's own.) These errors it doesn't see:
///
/// - One variant of an error that is an enum of several: [`suppress_if`] looks at the variants.
/// - An error inside an `anyhow::Error` or a `Box<dyn Error + Send + Sync>`, which are types of their own: [`suppress_if`] looks into them, too.
/// - An error of which only the text is kept, since it may be one that isn't [`Send`](crate::BodyError): in `with_local`, with `?Send`, by
///   `exit_with_local`.
/// - An error in a value that [`run`](crate::ContextManager::run) returns: for `run`, a `Result` is a value like any other.
///
/// ```
/// use contextlib::contexts::suppress;
/// use std::num::ParseIntError;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ParseIntError> {
/// let number = suppress::<ParseIntError>()
///     .with(async |()| "forty-two".parse::<u8>())
///     .await?;
/// assert_eq!(number, None);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn suppress<E: Any + Sync>() -> ContextManager<
    impl AsyncContext<Resource = (), Kind = Infallible<Suppressing>> + Send + 'static,
    policy::Drop,
> {
    suppressing(|| "suppress", |_: &E| true)
}

/// A context that swallows its body's error if that is an `E` for which `swallow` says so.
///
/// Otherwise it is as [`suppress`].
///
/// ```
/// use contextlib::contexts::suppress_if;
/// use std::{fs, io};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
/// suppress_if(missing)
///     .with(async |()| fs::remove_file("/nowhere/some.tmp"))
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// It looks into an error that may be of any type, as an `anyhow::Error` is:
///
/// ```
/// use contextlib::contexts::suppress_if;
/// use std::{error::Error, fs, io};
///
/// type AnyError = Box<dyn Error + Send + Sync>;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AnyError> {
/// let removed = suppress_if(|error: &AnyError| error.is::<io::Error>())
///     .with(async |()| -> Result<(), AnyError> { Ok(fs::remove_file("/nowhere/some.tmp")?) })
///     .await?;
/// assert_eq!(removed, None);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "suppress")]
#[track_caller]
pub fn suppress_if<E: Any + Sync, F: FnOnce(&E) -> bool + Send>(
    swallow: F,
) -> ContextManager<
    impl AsyncContext<Resource = (), Kind = Infallible<Suppressing>> + Send,
    policy::Drop,
> {
    suppressing(|| "suppress_if", swallow)
}

#[track_caller]
fn suppressing<E: Any + Sync, F: FnOnce(&E) -> bool + Send>(
    name: fn() -> &'static str,
    swallow: F,
) -> ContextManager<
    impl AsyncContext<Resource = (), Kind = Infallible<Suppressing>> + Send,
    policy::Drop,
> {
    on_cancel_drop::<(), Infallible<Suppressing>, _>(
        defined(name),
        async move |yielder: YieldOnce<'_, _, _>| {
            let ((), exit) = yielder.lend(()).await;
            let error = exit.error().and_then(|error| error.downcast_ref::<E>());
            if error.is_some_and(swallow) {
                exit.suppress();
            }
        },
    )
}
