//! The report hooks: that of the process, and those of runtimes.

use super::Report;
use crate::background::{RuntimeId, current_runtime};
use std::{
    mem,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is called with every report.
pub type Hook = Arc<dyn Fn(&Report<'_>) + Send + Sync>;

struct Hooks {
    process: Option<Hook>,
    /// The newest last.
    runtimes: Vec<(RuntimeId, Hook)>,
}

static HOOKS: RwLock<Hooks> = RwLock::new(Hooks {
    process: None,
    runtimes: Vec::new(),
});

/// Whether there is a hook: for a report that would go nowhere else. It changes only under the lock.
static IS_HOOKED: AtomicBool = AtomicBool::new(false);

/// Replaces the report hook, for the whole process.
///
/// One for a single runtime, as in a test, is set by
/// [`set_runtime_report_hook`](https://docs.rs/contextlib/latest/contextlib/report/fn.set_runtime_report_hook.html).
///
/// The hook is called without any lock held, on whichever thread the failure came up. A panic in it is caught and dropped.
///
/// ```
/// contextlib::set_report_hook(|report| eprintln!("teardown trouble: {report}"));
/// # contextlib::take_report_hook();
/// ```
pub fn set_report_hook(hook: impl Fn(&Report<'_>) + Send + Sync + 'static) {
    let old = replace(Some(Arc::new(hook)));
    drop(old);
}

/// Puts the default report hook back, and returns the one that was set.
pub fn take_report_hook() -> Option<Hook> {
    replace(None)
}

fn replace(hook: Option<Hook>) -> Option<Hook> {
    change(|hooks| mem::replace(&mut hooks.process, hook))
}

/// A report hook of one runtime, as long as this lives: what [`set_runtime_report_hook`] returns.
#[cfg(feature = "tokio")]
#[must_use = "the hook is taken off again when this is dropped"]
pub struct RuntimeHook(Hook);

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
#[cfg(feature = "tokio")]
#[doc(alias = "set_exception_handler")]
#[track_caller]
pub fn set_runtime_report_hook(hook: impl Fn(&Report<'_>) + Send + Sync + 'static) -> RuntimeHook {
    let runtime = Some(tokio::runtime::Handle::current().id());
    let hook: Hook = Arc::new(hook);
    change(|hooks| hooks.runtimes.push((runtime, hook.clone())));
    RuntimeHook(hook)
}

#[cfg(feature = "tokio")]
impl Drop for RuntimeHook {
    fn drop(&mut self) {
        change(|hooks| {
            hooks
                .runtimes
                .retain(|(_, hook)| !Arc::ptr_eq(hook, &self.0))
        });
        // Its last owner, which has destructors of the user's, is dropped after this, without the lock.
    }
}

#[cfg(feature = "tokio")]
impl std::fmt::Debug for RuntimeHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeHook").finish_non_exhaustive()
    }
}

/// `change` runs no code of the user's: the lock is held.
fn change<T>(change: impl FnOnce(&mut Hooks) -> T) -> T {
    let mut hooks = HOOKS.write().unwrap_or_else(PoisonError::into_inner);
    let changed = change(&mut hooks);
    let is_hooked = hooks.process.is_some() || !hooks.runtimes.is_empty();
    IS_HOOKED.store(is_hooked, Ordering::Release);
    changed
}

#[cfg(not(feature = "tracing"))]
pub(super) fn is_any() -> bool {
    IS_HOOKED.load(Ordering::Acquire)
}

/// The hook to be called here, if it isn't the default one.
pub(super) fn current() -> Option<Hook> {
    let hooks = HOOKS.read().unwrap_or_else(PoisonError::into_inner);
    let mut newest_first = hooks.runtimes.iter().rev();
    // Mostly there is none, and nobody has to be asked for the runtime.
    let of_runtime = newest_first.find(|(runtime, _)| *runtime == current_runtime());
    let hook = of_runtime.map(|(_, hook)| hook).or(hooks.process.as_ref());
    hook.cloned()
}
