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

/// A body's error, erased.
pub(crate) trait BodyError: Any + Debug + Send {
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

// Methods, since Rust 1.85 can't coerce a `dyn BodyError` to a `dyn Any`.
impl<B: Any + Debug + Send> BodyError for B {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

pub(crate) enum How {
    Completed,
    Failed(Box<dyn BodyError>),
    /// The text of an error that isn't `Send`.
    FailedAs(String),
    Panicked(Payload),
    Cancelled,
}

/// How a body ended.
pub struct Ending {
    how: How,
    suppressed: AtomicBool,
    formatting: Mutex<()>,
}

// SAFETY: the error and the payload are only `Send`. What a shared `Ending` gives of them: `error_ref` and `panic_ref`, a reference to a type
// that is `Sync`, found by comparing type ids, which touches no data; `fmt_error`, which runs the error's `Debug` under the lock, on one
// thread at a time, so that it is as if the error were sent there and back. A reference to a `Sync` type that another thread holds
// meanwhile may be read at the same time, which `Sync` allows. Everything else in `Ending` is `Sync`.
unsafe impl Sync for Ending {}

impl Ending {
    #[inline]
    fn new(how: How) -> Self {
        Ending {
            how,
            suppressed: AtomicBool::new(false),
            formatting: Mutex::new(()),
        }
    }

    #[inline]
    pub(crate) fn completed() -> Self {
        Ending::new(How::Completed)
    }

    #[inline]
    pub(crate) fn cancelled() -> Self {
        Ending::new(How::Cancelled)
    }

    pub(crate) fn failed<B: Any + Debug + Send>(error: B) -> Self {
        Ending::new(How::Failed(Box::new(error)))
    }

    pub(crate) fn failed_as(text: String) -> Self {
        Ending::new(How::FailedAs(text))
    }

    #[inline]
    pub(crate) fn panicked(payload: Payload) -> Self {
        Ending::new(How::Panicked(payload))
    }

    #[inline]
    pub(crate) fn kind(&self) -> ExitKind {
        match self.how {
            How::Completed => ExitKind::Completed,
            How::Failed(_) | How::FailedAs(_) => ExitKind::Failed,
            How::Panicked(_) => ExitKind::Panicked,
            How::Cancelled => ExitKind::Cancelled,
        }
    }

    #[inline]
    pub(crate) fn how(&self) -> &How {
        &self.how
    }

    #[inline]
    pub(crate) fn into_how(self) -> How {
        self.how
    }

    pub(crate) fn suppress(&self) {
        self.suppressed.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_suppressed(&self) -> bool {
        self.suppressed.load(Ordering::Relaxed)
    }

    pub(crate) fn error_ref<T: Any + Sync>(&self) -> Option<&T> {
        match &self.how {
            // Through the box: a box is a `BodyError` too.
            How::Failed(error) => (**error).as_any().downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn panic_ref<T: Any + Sync>(&self) -> Option<&T> {
        match &self.how {
            How::Panicked(payload) => payload.downcast_ref(),
            _ => None,
        }
    }

    pub(crate) fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Failed(error) => {
                let _one_at_a_time = self
                    .formatting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                error.fmt(f)
            }
            How::FailedAs(text) => f.write_str(text),
            _ => f.write_str("no error"),
        }
    }
}
