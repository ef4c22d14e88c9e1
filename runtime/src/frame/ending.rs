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

/// How a body ended; nothing for one that has completed.
//
// Two words, which go through registers. A larger one would be written in parts and copied as a whole, which has to wait for the parts.
pub struct Ending(Option<Box<dyn Bad>>);

/// How a body ended that hasn't completed.
trait Bad: Send {
    fn kind(&self) -> ExitKind;
    /// Whether it is suppressed, of what may be.
    fn suppressed(&self) -> Option<&AtomicBool> {
        None
    }
    fn error(&self) -> Option<&dyn Any> {
        None
    }
    fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no error")
    }
    fn panic(&self) -> Option<&Payload> {
        None
    }
    fn into_panic(self: Box<Self>) -> Option<Payload> {
        None
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Its box is no allocation.
struct Cancelled;

impl Bad for Cancelled {
    fn kind(&self) -> ExitKind {
        ExitKind::Cancelled
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

struct Failed<B> {
    suppressed: AtomicBool,
    formatting: Mutex<()>,
    error: B,
}

impl<B: Any + Debug + Send> Bad for Failed<B> {
    fn kind(&self) -> ExitKind {
        ExitKind::Failed
    }

    fn suppressed(&self) -> Option<&AtomicBool> {
        Some(&self.suppressed)
    }

    fn error(&self) -> Option<&dyn Any> {
        Some(&self.error)
    }

    fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

impl Bad for Panicked {
    fn kind(&self) -> ExitKind {
        ExitKind::Panicked
    }

    fn suppressed(&self) -> Option<&AtomicBool> {
        Some(&self.suppressed)
    }

    fn panic(&self) -> Option<&Payload> {
        Some(&self.payload)
    }

    fn into_panic(self: Box<Self>) -> Option<Payload> {
        Some(self.payload)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

// SAFETY: the error and the payload are only `Send`. What a shared `Ending` gives of them: `error_ref` and `panic_ref`, a reference to a type
// that is `Sync`, found by comparing type ids, which touches no data; `fmt_error`, which runs the error's `Debug` under the lock, on one
// thread at a time, so that it is as if the error were sent there and back. A reference to a `Sync` type that another thread holds
// meanwhile may be read at the same time, which `Sync` allows. Everything else in `Ending` is `Sync`.
unsafe impl Sync for Ending {}

impl Ending {
    #[inline]
    pub(crate) fn completed() -> Self {
        Ending(None)
    }

    #[inline]
    pub(crate) fn cancelled() -> Self {
        Ending(Some(Box::new(Cancelled)))
    }

    pub(crate) fn failed<B: Any + Debug + Send>(error: B) -> Self {
        Ending(Some(Box::new(Failed {
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
        Ending(Some(Box::new(Panicked {
            suppressed: AtomicBool::new(false),
            payload,
        })))
    }

    #[inline]
    pub(crate) fn kind(&self) -> ExitKind {
        match &self.0 {
            None => ExitKind::Completed,
            Some(bad) => bad.kind(),
        }
    }

    /// Whether there is a failure in it, and it may be suppressed.
    #[inline]
    fn suppressed(&self) -> Option<&AtomicBool> {
        self.0.as_ref()?.suppressed()
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
            Some(bad) if bad.error().is_some_and(|error| error.is::<B>()) => {
                let failed = bad.into_any().downcast::<Failed<B>>();
                failed
                    .map(|failed| failed.error)
                    .map_err(|_| Ending::cancelled())
            }
            how => Err(Ending(how)),
        }
    }

    /// The body's panic.
    pub(crate) fn into_panic(self) -> Option<Payload> {
        self.0?.into_panic()
    }

    pub(crate) fn error_ref<T: Any + Sync>(&self) -> Option<&T> {
        self.0.as_ref()?.error()?.downcast_ref()
    }

    pub(crate) fn panic_ref<T: Any + Sync>(&self) -> Option<&T> {
        self.0.as_ref()?.panic()?.downcast_ref()
    }

    pub(crate) fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(bad) => bad.fmt_error(f),
            None => f.write_str("no error"),
        }
    }
}
