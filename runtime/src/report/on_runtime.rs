//! Report hooks for one runtime each.

use super::{Hook, Report};
use crate::background::current_runtime;
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::runtime::{Handle, Id};

struct Set {
    runtime: Id,
    number: u64,
    hook: Hook,
}

/// The newest last.
static HOOKS: RwLock<Vec<Set>> = RwLock::new(Vec::new());

/// How many there are. It changes only under the lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A report hook of one runtime, as long as this lives: what [`set_runtime_report_hook`] returns.
#[must_use = "the hook is taken off again when this is dropped"]
pub struct RuntimeHook {
    number: u64,
}

/// Sets a report hook for the current tokio runtime, until what this returns is dropped.
///
/// It gets the reports that are made on this runtime, in place of the hook of the process. Of several on one runtime, the newest one gets them. So tests, each of which has a runtime of its own, see
/// only their own failures, also where they run side by side. What is reported off the runtime, by a guard that a plain thread drops for example, still goes to the hook of the process.
///
/// The hook is called without any lock held. A panic in it is caught and dropped. Allocates for the hook, and for the list of hooks. Mirrors `loop.set_exception_handler` of asyncio.
///
/// # Panics
/// Outside of a tokio runtime.
///
/// ```
/// use contextlib::{async_context, background::drain, set_runtime_report_hook, yield_resource};
/// use std::{io, sync::mpsc::channel};
///
/// #[async_context]
/// async fn fails() -> io::Result<()> {
///     let _ = yield_resource!();
///     return Err(io::ErrorKind::BrokenPipe.into());
/// }
///
/// # /*
/// #[tokio::test]
/// # */
/// # #[tokio::main(flavor = "current_thread")]
/// async fn main() -> io::Result<()> {
///     let (reports, reported) = channel();
///     let _hook = set_runtime_report_hook(move |report| {
///         let _ = reports.send(report.context.name());
///     });
///     fails().enter().await?.cancel().await.unwrap_err();
///     drop(fails().enter().await?);
///     drain().await;
///     // The guard that was dropped un-exited, and then its rollback's error.
///     assert_eq!(reported.try_iter().collect::<Vec<_>>(), ["fails", "fails"]);
///     Ok(())
/// }
/// ```
#[doc(alias = "set_exception_handler")]
#[track_caller]
pub fn set_runtime_report_hook(hook: impl Fn(&Report<'_>) + Send + Sync + 'static) -> RuntimeHook {
    let set = Set {
        runtime: Handle::current().id(),
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        hook: Arc::new(hook),
    };
    let number = set.number;
    let mut hooks = HOOKS.write().unwrap_or_else(PoisonError::into_inner);
    hooks.push(set);
    COUNT.store(hooks.len(), Ordering::Release);
    RuntimeHook { number }
}

impl Drop for RuntimeHook {
    fn drop(&mut self) {
        let mut hooks = HOOKS.write().unwrap_or_else(PoisonError::into_inner);
        let at = hooks.iter().position(|set| set.number == self.number);
        let set = at.map(|at| hooks.remove(at));
        COUNT.store(hooks.len(), Ordering::Release);
        // It has destructors of the user's, which may come back here.
        drop(hooks);
        drop(set);
    }
}

impl fmt::Debug for RuntimeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeHook").finish_non_exhaustive()
    }
}

pub(super) fn are_any() -> bool {
    COUNT.load(Ordering::Acquire) > 0
}

/// That of the current runtime.
pub(super) fn current() -> Option<Hook> {
    if !are_any() {
        return None;
    }
    let runtime = current_runtime()?;
    let hooks = HOOKS.read().unwrap_or_else(PoisonError::into_inner);
    let newest = hooks.iter().rev().find(|set| set.runtime == runtime);
    newest.map(|set| set.hook.clone())
}
