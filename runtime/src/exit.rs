//! How a body ended, as its context sees it.

use crate::{
    frame::Ending,
    kind::{CanSuppress, Strict},
    teardown::text_of,
};
use std::{any::Any, fmt, marker::PhantomData};

/// How the body ended: what [`yield_resource!`](crate::yield_resource) evaluates to.
///
/// It borrows from the frame of the context function and can't leave it. To keep how the body ended, take [`kind`](Exit::kind). An exit is
/// `Send + Sync`, so it may be held across awaits. Making one allocates nothing; a failed body's error has been boxed once. It mirrors the three
/// arguments of Python's `__aexit__`.
///
/// The parameter `S` is [`Suppressing`](crate::kind::Suppressing) in a context declared with `#[async_context(suppress)]`, which has [`suppress`](Exit::suppress).
///
/// ```
/// use contextlib::{Exit, ExitKind, async_context, yield_resource};
/// use std::{fmt, sync::mpsc::{Sender, channel}};
///
/// #[async_context]
/// async fn watched(ends: Sender<ExitKind>) {
///     let exit = yield_resource!();
///     match exit {
///         Exit::Completed => println!("well"),
///         Exit::Failed(error) => println!("failed: {error:?}"),
///         Exit::Panicked(panic) => println!("panicked: {}", panic.message().unwrap_or("?")),
///         Exit::Cancelled => println!("gone"),
///     }
///     ends.send(exit.kind()).expect("somebody listens");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (ends, ended) = channel();
/// let failed = watched(ends).with(async |_| -> Result<(), fmt::Error> { Err(fmt::Error) }).await;
/// assert_eq!(failed, Err(fmt::Error));
/// assert_eq!(ended.recv(), Ok(ExitKind::Failed));
/// # }
/// ```
#[doc(alias = "exc_info")]
#[must_use = "a teardown that doesn't look at how the body ended commits a failed body too; write `let _ = yield_resource!(…)` if it makes no difference here"]
pub enum Exit<'y, S = Strict> {
    /// The body returned `Ok`, or the guard was exited.
    Completed,
    /// The body returned an error.
    Failed(ErrorView<'y, S>),
    /// The body panicked.
    Panicked(PanicView<'y, S>),
    /// The body was dropped before it was over: a client hung up, a timeout fired, a guard was dropped.
    #[doc(alias("CancelledError", "GeneratorExit"))]
    Cancelled,
}

impl<'y, S> Exit<'y, S> {
    #[inline]
    pub(crate) fn view(ending: &'y Ending) -> Self {
        match ending.kind() {
            ExitKind::Completed => Exit::Completed,
            ExitKind::Failed => Exit::Failed(ErrorView {
                ending,
                _context: PhantomData,
            }),
            ExitKind::Panicked => Exit::Panicked(PanicView {
                ending,
                _context: PhantomData,
            }),
            ExitKind::Cancelled => Exit::Cancelled,
        }
    }

    /// Whether the body ended well.
    pub fn is_completed(&self) -> bool {
        matches!(self, Exit::Completed)
    }

    /// Whether the body returned an error.
    pub fn is_failed(&self) -> bool {
        matches!(self, Exit::Failed(_))
    }

    /// Whether the body panicked.
    pub fn is_panicked(&self) -> bool {
        matches!(self, Exit::Panicked(_))
    }

    /// Whether the body was dropped before it was over.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Exit::Cancelled)
    }

    /// The body's error, if it returned one.
    pub fn error(&self) -> Option<ErrorView<'y, S>> {
        match self {
            Exit::Failed(error) => Some(*error),
            _ => None,
        }
    }

    /// The body's panic, if it panicked.
    pub fn panic(&self) -> Option<PanicView<'y, S>> {
        match self {
            Exit::Panicked(panic) => Some(*panic),
            _ => None,
        }
    }

    /// The same exit without its payload.
    pub fn kind(&self) -> ExitKind {
        match self {
            Exit::Completed => ExitKind::Completed,
            Exit::Failed(_) => ExitKind::Failed,
            Exit::Panicked(_) => ExitKind::Panicked,
            Exit::Cancelled => ExitKind::Cancelled,
        }
    }
}

impl<S> Exit<'_, S> {
    /// Swallows the body's error or panic: `with` returns `Ok(None)` once the teardown is over.
    ///
    /// Does nothing after [`Completed`](Exit::Completed) and [`Cancelled`](Exit::Cancelled), where there is nothing to swallow. If the teardown then
    /// fails, its error replaces the body's. Mirrors `return True` in a Python `__aexit__`.
    pub fn suppress(&self)
    where
        S: CanSuppress,
    {
        match self {
            Exit::Failed(ErrorView { ending, .. }) | Exit::Panicked(PanicView { ending, .. }) => {
                ending.suppress();
            }
            Exit::Completed | Exit::Cancelled => {}
        }
    }
}

impl<S> Exit<'_, S> {
    /// What another context is told that ends with this one's body: of the failure, the text. Whoever gets the failure itself is this one's business.
    pub(crate) fn retold(&self) -> Ending {
        let told = match self {
            Exit::Completed => Ending::completed(),
            Exit::Failed(error) => Ending::failed_as(text_of(error)),
            Exit::Panicked(panic) => Ending::panicked(match panic.message() {
                Some(message) => Box::new(message.to_owned()),
                None => Box::new("a panic whose payload is no string"),
            }),
            Exit::Cancelled => Ending::cancelled(),
        };
        told.retold()
    }
}

impl<S> Clone for Exit<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Exit<'_, S> {}

/// Whether the body ended in this way: `exit == ExitKind::Completed`.
impl<S> PartialEq<ExitKind> for Exit<'_, S> {
    fn eq(&self, kind: &ExitKind) -> bool {
        self.kind() == *kind
    }
}

impl<S> fmt::Debug for Exit<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Completed => f.write_str("Completed"),
            Exit::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            Exit::Panicked(panic) => f.debug_tuple("Panicked").field(panic).finish(),
            Exit::Cancelled => f.write_str("Cancelled"),
        }
    }
}

/// How a body ended, without the error or panic that ended it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExitKind {
    /// The body returned `Ok`, or the guard was exited.
    Completed,
    /// The body returned an error.
    Failed,
    /// The body panicked.
    Panicked,
    /// The body was dropped before it was over.
    Cancelled,
}

/// The error that a body returned, as its context may see it: to print, and to look at as a type.
///
/// The error itself stays where it is, and is returned to the caller after the teardown. The view prints with `{:?}` only, because a body's error
/// need not be more than `Debug`.
///
/// The error is formatted under a lock, so that the view may be shared between threads though the error is only `Send`. A `Debug` that waits for
/// another thread which prints the same error therefore waits for ever.
///
/// ```
/// use contextlib::{async_context, yield_resource};
/// use std::num::ParseIntError;
///
/// #[async_context]
/// async fn attempt() {
///     let exit = yield_resource!();
///     if let Some(error) = exit.error() {
///         println!("{error:?}");
///         let error = error.downcast_ref::<ParseIntError>().expect("nothing else fails here");
///         assert_eq!(error.to_string(), "invalid digit found in string");
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let parsed = attempt().with(async |_| "seven".parse::<u32>()).await;
/// assert!(parsed.is_err());
/// # }
/// ```
pub struct ErrorView<'y, S = Strict> {
    ending: &'y Ending,
    _context: PhantomData<fn() -> S>,
}

impl<'y, S> ErrorView<'y, S> {
    /// The error as a `T`, if that is its type.
    ///
    /// Also `None` where only the error's text is kept: for a body whose error may be one that isn't [`Send`](crate::BodyError), and where the exit is that of
    /// another context, told by [`exit_as`](crate::Guard::exit_as). To find an error inside an `anyhow::Error` or of a
    /// `Box<dyn Error + Send + Sync>`, look for the outer type, `error.downcast_ref::<anyhow::Error>()`, and in that for the error's own type.
    pub fn downcast_ref<T: Any + Sync>(&self) -> Option<&'y T> {
        self.ending.error_ref()
    }

    /// Whether the error is a `T`.
    pub fn is<T: Any + Sync>(&self) -> bool {
        self.downcast_ref::<T>().is_some()
    }
}

impl<S> Clone for ErrorView<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for ErrorView<'_, S> {}

impl<S> fmt::Debug for ErrorView<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ending.fmt_error(f)
    }
}

/// The panic that ended a body. The panic goes on, with the same payload, after the teardown.
pub struct PanicView<'y, S = Strict> {
    ending: &'y Ending,
    _context: PhantomData<fn() -> S>,
}

impl<'y, S> PanicView<'y, S> {
    /// The panic's payload as a `T`, if that is its type.
    ///
    /// Where the exit is that of another context, told by [`exit_as`](crate::Guard::exit_as), only the [message](PanicView::message) is kept.
    pub fn downcast_ref<T: Any + Sync>(&self) -> Option<&'y T> {
        self.ending.panic_ref()
    }

    /// The panic's message, if its payload is a string, as that of `panic!("…")` is.
    pub fn message(&self) -> Option<&'y str> {
        match self.downcast_ref::<&'static str>() {
            Some(text) => Some(text),
            None => self.downcast_ref::<String>().map(String::as_str),
        }
    }
}

impl<S> Clone for PanicView<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for PanicView<'_, S> {}

impl<S> fmt::Debug for PanicView<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(text) => write!(f, "{text:?}"),
            None => f.write_str("a panic whose payload is no string"),
        }
    }
}
