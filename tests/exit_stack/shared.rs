//! Contexts for stacks.

use contextlib::{ExitKind, async_context, yield_resource};
use contextlib_tests::{Log, Reports};

/// The error of the tests' stacks and bodies; Python's tests number theirs too.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbered(pub u32);

/// Another error, which becomes a `Numbered`.
#[derive(Debug)]
pub(crate) struct Foreign(pub u32);

impl From<Foreign> for Numbered {
    fn from(foreign: Foreign) -> Self {
        Numbered(foreign.0)
    }
}

pub(crate) fn exit(exit: ExitKind) -> &'static str {
    match exit {
        ExitKind::Completed => "completed",
        ExitKind::Failed => "failed",
        ExitKind::Panicked => "panicked",
        ExitKind::Cancelled => "cancelled",
    }
}

/// Says when it is entered and exited.
#[async_context]
pub(crate) async fn named(log: Log, mut name: String) -> String {
    log.say(format!("enter {name}"));
    let how = yield_resource!(name).kind();
    log.say(format!("exit {name}: {}", exit(how)));
}

/// Fails in its setup.
#[async_context]
pub(crate) async fn closed_door(number: u32) -> Result<(), Numbered> {
    if number > 0 {
        return Err(Numbered(number));
    }
    let _ = yield_resource!();
}

/// Fails in its teardown.
#[async_context]
pub(crate) async fn failing(log: Log, number: u32) -> Result<u32, Numbered> {
    let mut resource = number;
    let how = yield_resource!(resource);
    log.say(format!("{number} sees {}", seen(how.error().as_ref())));
    Err(Numbered(number))
}

/// What an entry sees of an error.
pub(crate) fn seen<S>(error: Option<&contextlib::ErrorView<'_, S>>) -> String {
    error.map_or("no error".to_owned(), |error| format!("{error:?}"))
}

/// Swallows errors.
#[async_context(suppress)]
pub(crate) async fn swallowing(log: Log) -> u8 {
    let mut resource = 0;
    let how = yield_resource!(resource);
    log.say(format!("swallows {}", seen(how.error().as_ref())));
    how.suppress();
}

/// What is reported of the contexts in this file; for tests in which they fail.
pub(crate) fn reports() -> Reports {
    Reports::keep()
}
