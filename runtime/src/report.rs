//! What becomes of a failure that has nobody to be returned to.
//!
//! The report hook is handed:
//!
//! - the failure of a [rollback](crate::background), and a teardown that could not run ([`Failure::Lost`]);
//! - the second of two failures;
//! - the failure of a body whose caller is gone before the teardown is over.
//!
//! The default hook writes a line to standard error. With the `tracing` feature, where the process has a subscriber, it emits an event instead: an
//! error.
//!
//! A guard that is dropped un-exited while nothing panics is told to the hook, too ([`Failure::Unexited`]). It may be a forgotten `exit`, and so a
//! lost commit. Or it is the way in which `?` and cancellation leave a context, where a warning each time would be noise. So the default hook makes
//! it a debug event, with where the context was defined and where it was entered; without the `tracing` feature it does nothing. A hook of yours may
//! be stricter, in tests for example.

mod hook;

pub use hook::{Hook, set_report_hook, take_report_hook};
#[cfg(feature = "tokio")]
pub use hook::{RuntimeHook, set_runtime_report_hook};

use crate::{
    Definition, ExitKind,
    background::Entered,
    cold::catch,
    frame::{Ending, Standing},
    trace::is_watched,
};
use std::{
    any::Any,
    fmt::{self, Debug},
    mem,
    panic::{AssertUnwindSafe, Location, catch_unwind},
};

/// A failure that could not be returned to anybody.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report<'a> {
    /// The context, and where it is defined.
    pub context: Definition,
    /// Where it was entered. Of a context that is put together with others: where that was done.
    pub entered: &'static Location<'static>,
    /// How its body ended.
    pub exit: ExitKind,
    /// Whose failure it is.
    pub whose: Whose,
    /// What went wrong.
    pub failure: Failure<'a>,
}

/// Whose failure it is that a [`Report`] tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Whose {
    /// The body's. Of contexts inside one another: what the context was told as that, which is the failure of one inside it.
    Body,
    /// The context's own.
    Context,
}

/// What went wrong, in a [`Report`].
#[non_exhaustive]
pub enum Failure<'a> {
    /// A teardown returned this error. Or the body did, and either the teardown's panic went to the caller instead, or the caller was gone before the
    /// teardown was over.
    Error(&'a dyn Debug),
    /// A teardown panicked with this payload. Or the body did, and the caller was gone before the teardown was over.
    Panic(&'a (dyn Any + Send)),
    /// A teardown didn't run, or not to its end, for this reason.
    Lost(&'a str),
    /// A guard was dropped without `exit`, while nothing panicked: by `?`, in a task that was cancelled, or because `exit` was forgotten. What it
    /// should have committed isn't committed: its context is [cancelled](crate::policy), and rolled back or dropped as its policy says.
    Unexited,
}

impl Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => write!(f, "failed: {error:?}"),
            Failure::Panic(payload) => match message(*payload) {
                Some(text) => write!(f, "panicked: {text}"),
                None => f.write_str("panicked"),
            },
            Failure::Lost(why) => write!(f, "lost its teardown: {why}"),
            Failure::Unexited => f.write_str("was dropped without `exit`"),
        }
    }
}

pub(crate) fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => Some(text),
        None => payload.downcast_ref::<String>().map(String::as_str),
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            context,
            entered,
            failure,
            exit,
            ..
        } = self;
        match self.whose {
            Whose::Body => write!(
                f,
                "{context}, entered at {entered}, had nobody to return its body's failure to: it {failure}"
            ),
            Whose::Context => write!(
                f,
                "{context}, entered at {entered}, {failure} (its body: {exit:?})"
            ),
        }
    }
}

/// Reports that the context `entered` has failed.
#[cold]
pub(crate) fn failure(entered: &Entered, exit: ExitKind, failure: Failure<'_>) {
    failure_in(entered, Whose::Context, exit, failure);
}

/// Reports that the body of the context `entered` has failed.
#[cold]
pub(crate) fn bodys_failure(entered: &Entered, exit: ExitKind, failure: Failure<'_>) {
    failure_in(entered, Whose::Body, exit, failure);
}

fn failure_in(entered: &Entered, whose: Whose, exit: ExitKind, failure: Failure<'_>) {
    report(&Report {
        context: entered.definition,
        entered: entered.at,
        exit,
        whose,
        failure,
    });
}

/// Nobody is left to get what the body came to: reports it, if it is a failure that nothing has swallowed.
#[inline]
pub(crate) fn unreturned(entered: &Entered, ending: Ending) {
    if ending.is_failure() {
        failed_alone(entered, ending);
    }
}

#[cold]
fn failed_alone(entered: &Entered, ending: Ending) {
    let exit = ending.kind();
    match ending.into_standing() {
        Standing::Error(ending) => {
            bodys_failure(entered, exit, Failure::Error(&ErrorIn(&ending)));
            drop_quietly(entered, exit, ending);
        }
        Standing::Panic(payload) => {
            bodys_failure(entered, exit, Failure::Panic(&*payload));
            discard(payload);
        }
        Standing::Nothing(ending) => drop_quietly(entered, exit, ending),
    }
}

/// Reports a failure of one of the contexts that were put together `at`, or of its body.
#[cold]
pub(crate) fn failure_of(
    context: Definition,
    at: Definition,
    whose: Whose,
    exit: ExitKind,
    failure: Failure<'_>,
) {
    report(&Report {
        context,
        entered: at.location(),
        exit,
        whose,
        failure,
    });
}

/// The error in an ending, for printing.
pub(crate) struct ErrorIn<'a>(pub(crate) &'a Ending);

impl Debug for ErrorIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_error(f)
    }
}

/// A guard was dropped un-exited while nothing panicked: a forgotten `exit`, or an early return by `?`.
pub(crate) fn unexited(entered: &Entered) {
    #[cfg(not(feature = "tracing"))]
    if !hook::is_any() {
        return;
    }
    failure(entered, ExitKind::Cancelled, Failure::Unexited);
}

fn report(report: &Report<'_>) {
    #[cfg(feature = "testkit")]
    crate::testkit::reported(report);
    let hook = hook::current();
    let called = catch_unwind(AssertUnwindSafe(|| match &hook {
        Some(hook) => hook(report),
        None => default_hook(report),
    }));
    if let Err(payload) = called {
        discard(payload);
    }
    // The hook may have been replaced meanwhile, and this be its last owner: then the drop runs destructors of the user's.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(hook))) {
        discard(payload);
    }
}

fn default_hook(report: &Report<'_>) {
    #[cfg(feature = "tracing")]
    event(report);
    // A line is written also with the feature `tracing`, if nobody listens: somebody else in the dependency tree may have asked for the feature. But not for a guard
    // that was dropped, which is also how `?` leaves a context: that isn't worth a line of everybody's standard error.
    if !is_watched() && !matches!(report.failure, Failure::Unexited) {
        eprintln!("contextlib: {report}");
    }
}

#[cfg(feature = "tracing")]
fn event(report: &Report<'_>) {
    if matches!(report.failure, Failure::Unexited) {
        // This is also how `?` leaves a context: so it is no warning.
        tracing::debug!(
            target: "contextlib",
            context = report.context.name(),
            defined = %report.context.location(),
            entered = %report.entered,
            "a guard was dropped without `exit`: its context is cancelled",
        );
    } else {
        tracing::error!(
            target: "contextlib",
            context = report.context.name(),
            defined = %report.context.location(),
            entered = %report.entered,
            exit = ?report.exit,
            "{} {}",
            match report.whose {
                Whose::Body => "a context had nobody to return its body's failure to: it",
                Whose::Context => "a context",
            },
            report.failure,
        );
    }
}

/// Reports that a body which had panicked has panicked again while it was dropped.
#[cold]
pub(crate) fn second_panic(entered: &Entered, payload: Box<dyn Any + Send>) {
    bodys_failure(entered, ExitKind::Panicked, Failure::Panic(&*payload));
    discard(payload);
}

/// Reports an error of the context `entered`, which nobody gets, and drops it.
#[cold]
pub(crate) fn failed<E: Debug>(entered: &Entered, exit: ExitKind, error: E) {
    failure(entered, exit, Failure::Error(&error));
    drop_quietly(entered, exit, error);
}

/// Reports a panic of the context `entered`, which nobody gets, and drops its payload.
#[cold]
pub(crate) fn panicked(entered: &Entered, exit: ExitKind, payload: Box<dyn Any + Send>) {
    failure(entered, exit, Failure::Panic(&*payload));
    discard(payload);
}

/// Reports that a context function which had unwound has panicked again while it was dropped: the second panic has nobody to go to.
#[cold]
pub(crate) fn panic_in_drop(context: Definition, payload: Box<dyn Any + Send>) {
    report(&Report {
        context,
        entered: context.location(),
        exit: ExitKind::Panicked,
        whose: Whose::Context,
        failure: Failure::Panic(&*payload),
    });
    discard(payload);
}

/// Drops `value`, and reports the panic of its destructor, which would otherwise take the place of another failure.
#[cold]
pub(crate) fn drop_quietly<T>(entered: &Entered, exit: ExitKind, value: T) {
    let mut value = Some(value);
    if let Err(payload) = catch(&mut || drop(value.take())) {
        panicked(entered, exit, payload);
    }
}

/// Drops what the caller, who is gone, would have got. If a panic is the reason, a panic of this destructor is reported: a second one would abort the process.
#[cold]
pub(crate) fn drop_unreturned<T>(entered: &Entered, value: T) {
    if std::thread::panicking() {
        drop_quietly(entered, ExitKind::Cancelled, value);
    }
}

/// Drops a panic's payload, whatever its destructor does.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A payload whose destructor panics with a payload whose destructor panics … ends here.
        mem::forget(second);
    }
}
