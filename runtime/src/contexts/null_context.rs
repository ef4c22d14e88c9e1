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
