//! How the body ended: owned by the frame's slot, so that a view of it lives as long as the teardown that looks at it.

use crate::ExitKind;
use std::{
    any::Any,
    fmt::{self, Debug},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// How a body ended. Three words; what a failure needs beside is in the failure's box.
pub struct Ending(How);

enum How {
    Completed,
    Failed(Box<dyn Failure>),
    Panicked(Box<Panicked>),
    Cancelled,
}

/// A body's error, erased.
trait Failure: Send {
    fn suppressed(&self) -> &AtomicBool;
    fn error(&self) -> &dyn Any;
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

struct Failed<B> {
    suppressed: AtomicBool,
    formatting: Mutex<()>,
    error: B,
}

impl<B: Any + Debug + Send> Failure for Failed<B> {
    fn suppressed(&self) -> &AtomicBool {
        &self.suppressed
    }

    fn error(&self) -> &dyn Any {
        &self.error
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _one_at_a_time = self
            .formatting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.error.fmt(f)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The text of an error that isn't `Send`.
struct Text(String);

impl Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Panicked {
    suppressed: AtomicBool,
    payload: Payload,
}

// SAFETY: the error and the payload are only `Send`. What a shared `Ending` gives of them: `error_ref` and `panic_ref`, a reference to a type
// that is `Sync`, found by comparing type ids, which touches no data; `fmt_error`, which runs the error's `Debug` under the lock, on one
// thread at a time, so that it is as if the error were sent there and back. A reference to a `Sync` type that another thread holds
// meanwhile may be read at the same time, which `Sync` allows. Everything else in `Ending` is `Sync`.
unsafe impl Sync for Ending {}

impl Ending {
    #[inline]
    pub(crate) fn completed() -> Self {
        Ending(How::Completed)
    }

    #[inline]
    pub(crate) fn cancelled() -> Self {
        Ending(How::Cancelled)
    }

    pub(crate) fn failed<B: Any + Debug + Send>(error: B) -> Self {
        Ending(How::Failed(Box::new(Failed {
            suppressed: AtomicBool::new(false),
            formatting: Mutex::new(()),
            error,
        })))
    }

    /// A failure of which only the text is told.
    pub(crate) fn failed_as(text: String) -> Self {
        Ending::failed(Text(text))
    }

    #[cold]
    pub(crate) fn panicked(payload: Payload) -> Self {
        Ending(How::Panicked(Box::new(Panicked {
            suppressed: AtomicBool::new(false),
            payload,
        })))
    }

    #[inline]
    pub(crate) fn kind(&self) -> ExitKind {
        match self.0 {
            How::Completed => ExitKind::Completed,
            How::Failed(_) => ExitKind::Failed,
            How::Panicked(_) => ExitKind::Panicked,
            How::Cancelled => ExitKind::Cancelled,
        }
    }

    /// Whether there is a failure in it, and it may be suppressed.
    fn suppressed(&self) -> Option<&AtomicBool> {
        match &self.0 {
            How::Failed(failure) => Some(failure.suppressed()),
            How::Panicked(panicked) => Some(&panicked.suppressed),
            How::Completed | How::Cancelled => None,
        }
    }

    pub(crate) fn suppress(&self) {
        if let Some(suppressed) = self.suppressed() {
            suppressed.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_suppressed(&self) -> bool {
        self.suppressed()
            .is_some_and(|suppressed| suppressed.load(Ordering::Relaxed))
    }

    /// The body's error, if it is a `B`.
    pub(crate) fn into_error<B: Any>(self) -> Result<B, Ending> {
        match self.0 {
            How::Failed(failure) if failure.error().is::<B>() => {
                let failed = failure.into_any().downcast::<Failed<B>>();
                failed
                    .map(|failed| failed.error)
                    .map_err(|_| Ending::cancelled())
            }
            how => Err(Ending(how)),
        }
    }

    /// The body's panic.
    pub(crate) fn into_panic(self) -> Option<Payload> {
        match self.0 {
            How::Panicked(panicked) => Some(panicked.payload),
            _ => None,
        }
    }

    pub(crate) fn error_ref<T: Any + Sync>(&self) -> Option<&T> {
        match &self.0 {
            How::Failed(failure) => failure.error().downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn panic_ref<T: Any + Sync>(&self) -> Option<&T> {
        match &self.0 {
            How::Panicked(panicked) => panicked.payload.downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            How::Failed(failure) => failure.fmt(f),
            _ => f.write_str("no error"),
        }
    }
}
