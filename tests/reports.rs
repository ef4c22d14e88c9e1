//! The reports of one test file's contexts.

use contextlib::{
    ExitKind,
    report::{Failure, Whose},
};
use std::{
    collections::HashMap,
    panic::Location,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

static KEPT: Mutex<Option<HashMap<&'static str, Vec<Kept>>>> = Mutex::new(None);
static FILES: Mutex<Vec<(&'static str, &'static Mutex<()>)>> = Mutex::new(Vec::new());

/// A guard that was dropped un-exited.
const UNEXITED: &str = "unexited";

struct Kept {
    line: String,
    failure: String,
}

/// Keeps what is reported of contexts that are defined in the caller's file; one test of a file at a time has one.
///
/// The report hook is the process's, so that no other test may set it.
pub struct Reports {
    file: &'static str,
    _alone: MutexGuard<'static, ()>,
}

impl Reports {
    /// Starts keeping them, when no other test of this file does so.
    #[track_caller]
    pub fn keep() -> Self {
        static HOOK: Once = Once::new();
        let file = Location::caller().file();
        let queue = {
            let mut files = lock(&FILES);
            match files.iter().find(|(known, _)| *known == file) {
                Some((_, queue)) => queue,
                None => {
                    let queue: &'static Mutex<()> = Box::leak(Box::default());
                    files.push((file, queue));
                    queue
                }
            }
        };
        let alone = lock(queue);
        HOOK.call_once(|| {
            contextlib::set_report_hook(|report| {
                let line = match report.failure {
                    Failure::Unexited => UNEXITED.to_owned(),
                    _ => format!(
                        "{}{} {} after {}",
                        report.context.name(),
                        match report.whose {
                            Whose::Body => "'s body",
                            _ => "",
                        },
                        report.failure,
                        exit(report.exit)
                    ),
                };
                if let Some(kept) = lock(&KEPT)
                    .get_or_insert_default()
                    .get_mut(report.context.location().file())
                {
                    kept.push(Kept {
                        line,
                        failure: report.failure.to_string(),
                    });
                }
            });
        });
        lock(&KEPT).get_or_insert_default().insert(file, Vec::new());
        Reports {
            file,
            _alone: alone,
        }
    }

    /// What has been reported since the last call, guards that were dropped un-exited apart.
    pub fn take(&self) -> Vec<String> {
        let mut all = self.take_all();
        all.retain(|report| report != UNEXITED);
        all
    }

    /// What has been reported since the last call.
    pub fn take_all(&self) -> Vec<String> {
        self.take_kept().into_iter().map(|kept| kept.line).collect()
    }

    /// Of that, only what went wrong, whosever it was.
    pub fn take_failures(&self) -> Vec<String> {
        let kept = self.take_kept().into_iter();
        let failed = kept.filter(|kept| kept.line != UNEXITED);
        failed.map(|kept| kept.failure).collect()
    }

    fn take_kept(&self) -> Vec<Kept> {
        let mut kept = lock(&KEPT);
        kept.get_or_insert_default()
            .get_mut(self.file)
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        lock(&KEPT).get_or_insert_default().remove(self.file);
    }
}

fn exit(exit: ExitKind) -> &'static str {
    match exit {
        ExitKind::Completed => "completed",
        ExitKind::Failed => "failed",
        ExitKind::Panicked => "panicked",
        ExitKind::Cancelled => "cancelled",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
