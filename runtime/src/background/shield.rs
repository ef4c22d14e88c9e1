//! Work that goes on though its caller is gone.

use crate::{
    __private::{defined, spawned},
    YieldOnce,
    kind::Infallible,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs `future` to its end, even if the caller is gone.
///
/// It is awaited in place. If its caller is dropped meanwhile, it goes on in the background, from where it was. Whatever is around waits for it then, as for a rollback: a context whose body called
/// this is torn down afterwards, and [`drain`](super::drain) waits, too. For work that mustn't be cut off half-way, in code that may be: `select!`, a timeout, a web server whose client hangs up.
///
/// It is the teardown of a context that does nothing else. Dropped before it is first polled, it doesn't run. Two allocations. Mirrors `asyncio.shield`, but that here the outer scope waits.
///
/// # Panics
/// If `future` panics. If the caller is gone, the panic is [reported](crate::report).
///
/// # Cancellation
/// As said. Outside of a tokio runtime there is no background: then `future` is dropped, and reported as lost.
///
/// ```
/// use contextlib::{async_context, background::{drain, shield}, yield_resource};
/// use std::time::Duration;
/// use tokio::time::{sleep, timeout};
///
/// #[async_context]
/// async fn database() {
///     let _ = yield_resource!();
///     println!("closed");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let work = database().run(async |_| {
///     shield(async {
///         sleep(Duration::from_millis(20)).await;
///         println!("written");
///     })
///     .await;
/// });
/// assert!(timeout(Duration::from_millis(1), work).await.is_err());
/// drain().await; // written, closed
/// # }
/// ```
#[doc(alias("CancelScope", "uncancellable"))]
#[track_caller]
pub fn shield<F>(future: F) -> impl Future<Output = F::Output> + Send
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let output = Arc::new(Mutex::new(None));
    let place = output.clone();
    let shielded = spawned::<(), Infallible, _>(
        defined(|| "shield"),
        async move |yielder: YieldOnce<'_, _, _>| {
            let _ = yielder.lend(()).await;
            let output = future.await;
            *lock(&place) = Some(output);
        },
    );
    let shielded = shielded.run(async |()| ());
    async move {
        shielded.await;
        let output = lock(&output).take();
        output.expect("a teardown that is awaited comes to its end")
    }
}

fn lock<T>(output: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
