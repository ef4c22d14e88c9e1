//! A context that does nothing.

use crate::{
    __private::{defined, on_cancel_drop},
    AsyncContext, ContextManager, YieldOnce,
    kind::Infallible,
    policy,
};

/// A context that hands out `value` and does nothing else.
///
/// For code that takes a context where there is none. `with` allocates nothing; cancelled, it drops `value`. Mirrors `contextlib.nullcontext`.
///
/// ```
/// use contextlib::null_context;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let doubled = null_context(21).run(async |value| *value * 2).await;
/// assert_eq!(doubled, 42);
/// # }
/// ```
///
/// In one branch of an `if`, it is [boxed](ContextManager::boxed) as the context of the other branch is. It also gets that context's error, though it
/// can't fail:
///
/// ```
/// use contextlib::{async_context, null_context, yield_resource};
/// use std::io;
///
/// #[async_context]
/// async fn locked(mut number: u32) -> io::Result<u32> {
///     let _ = yield_resource!(number);
/// }
///
/// async fn doubled(number: u32, lock: bool) -> io::Result<u32> {
///     let context = if lock { locked(number).boxed() } else { null_context(number).err_into().boxed() };
///     context.with(async |number| Ok(*number * 2)).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// assert_eq!((doubled(21, true).await?, doubled(4, false).await?), (42, 8));
/// # Ok(())
/// # }
/// ```
///
/// Where nobody needs the resource if the context isn't there, an [`ExitStack`](crate::ExitStack) enters the context on a condition:
///
/// ```
/// # use contextlib::{ExitStack, async_context, yield_resource};
/// # use std::io;
/// # #[async_context]
/// # async fn locked(mut name: &'static str) -> io::Result<&'static str> {
/// #     let _ = yield_resource!(name);
/// # }
/// async fn written(shared: bool) -> io::Result<usize> {
///     ExitStack::scope(async |stack| {
///         if shared {
///             stack.enter(locked("file")).await?;
///         }
///         Ok(stack.len())
///     })
///     .await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// assert_eq!((written(true).await?, written(false).await?), (1, 0));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "nullcontext")]
#[track_caller]
pub fn null_context<T>(
    value: T,
) -> ContextManager<impl AsyncContext<Resource = T, Kind = Infallible>, policy::Drop> {
    on_cancel_drop::<T, Infallible, _>(
        defined(|| "null_context"),
        async move |yielder: YieldOnce<'_, _, _>| {
            let _ = yielder.lend(value).await;
        },
    )
}
