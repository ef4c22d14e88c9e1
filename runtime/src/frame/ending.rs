//! How the body ended. The frame owns this, so that a view of it lives as long as the teardown that looks at it.

use crate::ExitKind;
use std::{
    any::Any,
    fmt::{self, Debug, Write},
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// How a body ended.
//
// One word, and so is an `Option` of it: both go through registers. A larger one would be written in parts and copied as a whole, and the copy would have to
// wait for the parts.
pub struct Ending(NonNull<Head>);

/// What an [`Ending`] points to: one of the two statics below, or the first field of a [`BoxedFailure`].
struct Head {
    kind: ExitKind,
    /// Whether the failure is suppressed.
    suppressed: AtomicBool,
    /// Whether this only tells of a failure: somebody else has it, and sees to it that it goes on.
    retold: AtomicBool,
    /// `None` in the statics.
    steps: Option<&'static Steps>,
}

impl Head {
    const fn new(kind: ExitKind, steps: Option<&'static Steps>) -> Self {
        Head {
            kind,
            suppressed: AtomicBool::new(false),
            retold: AtomicBool::new(false),
            steps,
        }
    }
}

static COMPLETED: Head = Head::new(ExitKind::Completed, None);
static CANCELLED: Head = Head::new(ExitKind::Cancelled, None);

/// A failure, behind what every ending has.
//
// `repr(C)`, so that a pointer to it is one to its head.
#[repr(C)]
struct BoxedFailure<B> {
    head: Head,
    failure: B,
}

/// What can be done with a [`BoxedFailure`] of which only the head is known.
struct Steps {
    view: unsafe fn(NonNull<Head>) -> NonNull<dyn Failure>,
    take: unsafe fn(NonNull<Head>) -> Box<dyn Any>,
}

impl<B: Failure> BoxedFailure<B> {
    const STEPS: &'static Steps = &Steps {
        view: Self::view,
        take: Self::take,
    };

    fn boxed(kind: ExitKind, failure: B) -> Ending {
        let head = Head::new(kind, Some(Self::STEPS));
        let boxed = Box::new(BoxedFailure { head, failure });
        Ending(NonNull::from(Box::leak(boxed)).cast())
    }

    /// # Safety
    /// The head is that of such a `BoxedFailure`, which is alive.
    unsafe fn view(head: NonNull<Head>) -> NonNull<dyn Failure> {
        // SAFETY: by this function's contract, the pointer is to a `BoxedFailure<B>`. `&raw` makes no reference, and a field's address isn't null.
        unsafe { NonNull::new_unchecked(&raw mut (*head.cast::<Self>().as_ptr()).failure) }
    }

    /// # Safety
    /// The head is that of such a `BoxedFailure`, made by [`boxed`](BoxedFailure::boxed), and this is its last use.
    unsafe fn take(head: NonNull<Head>) -> Box<dyn Any> {
        // SAFETY: by this function's contract, the pointer comes from the box that `boxed` leaked, and isn't used again.
        unsafe { Box::from_raw(head.cast::<Self>().as_ptr()) }
    }
}

/// An ending, by what there is in it that somebody has to get.
pub(crate) enum Standing {
    /// An error. It is still in its ending, since only the one who gets it knows its type.
    Error(Ending),
    Panic(Payload),
    /// Nothing: the ending is no failure, or is suppressed, or the failure is somebody else's.
    Nothing(Ending),
}

/// How a body ended that failed or panicked.
trait Failure: Any + Send {
    fn error(&self) -> Option<&dyn Any> {
        None
    }
    fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no error")
    }
    fn panic(&self) -> Option<&Payload> {
        None
    }
}

struct Failed<B> {
    formatting: Mutex<()>,
    error: B,
}

impl<B: Any + Debug + Send> Failure for Failed<B> {
    fn error(&self) -> Option<&dyn Any> {
        Some(&self.error)
    }

    // Into a text first: `f` writes to code of the user's, which isn't to run under the lock.
    fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let formatted = {
            let formatting = self.formatting.lock();
            let _one_at_a_time = formatting.unwrap_or_else(PoisonError::into_inner);
            match f.alternate() {
                true => write!(text, "{:#?}", self.error),
                false => write!(text, "{:?}", self.error),
            }
        };
        f.write_str(&text).and(formatted)
    }
}

/// The text of an error, in place of the error.
struct Text(String);

impl Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Panicked(Payload);

impl Failure for Panicked {
    fn panic(&self) -> Option<&Payload> {
        Some(&self.0)
    }
}

// SAFETY: an ending points to a static, which is `Sync`, or owns a failure that is `Send`.
unsafe impl Send for Ending {}
// SAFETY: the error and the payload are only `Send`. A shared `Ending` gives two things of them:
//
// - `error_ref` and `panic_ref` give a reference to a `Sync` type. They find it by comparing type ids, which touches no data.
// - `fmt_error` runs the error's `Debug` under the lock, on one thread at a time: that is as if the error were sent to that thread and back.
//
// A reference from the former may be read while the latter runs: the type is `Sync`, which allows that. Everything else in an `Ending` is `Sync`.
unsafe impl Sync for Ending {}

impl Ending {
    #[inline]
    pub(crate) fn completed() -> Self {
        Ending(NonNull::from(&COMPLETED))
    }

    #[inline]
    pub(crate) fn cancelled() -> Self {
        Ending(NonNull::from(&CANCELLED))
    }

    pub(crate) fn failed<B: Any + Debug + Send>(error: B) -> Self {
        let formatting = Mutex::new(());
        BoxedFailure::boxed(ExitKind::Failed, Failed { formatting, error })
    }

    /// A failure of which only the text is told.
    pub(crate) fn failed_as(text: String) -> Self {
        Ending::failed(Text(text))
    }

    /// The same, to be told to one more context. That context may not report or return the failure: whoever has it sees to that.
    pub(crate) fn retold(self) -> Self {
        let head = self.head();
        if head.steps.is_some() {
            head.retold.store(true, Ordering::Relaxed);
        }
        self
    }

    #[cold]
    pub(crate) fn panicked(payload: Payload) -> Self {
        BoxedFailure::boxed(ExitKind::Panicked, Panicked(payload))
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the pointer is to a static, or to the first field of a box that this owns. What is written to there is atomic.
        unsafe { self.0.as_ref() }
    }

    fn failure(&self) -> Option<&dyn Failure> {
        let steps = self.head().steps?;
        // SAFETY: the steps are those of this `BoxedFailure`, which this owns, and which stays shared for as long as `self` is borrowed.
        Some(unsafe { (steps.view)(self.0).as_ref() })
    }

    #[inline]
    pub(crate) fn kind(&self) -> ExitKind {
        self.head().kind
    }

    /// Whether the body failed or panicked, suppressed or not.
    #[inline]
    pub(crate) fn is_failure(&self) -> bool {
        self.head().steps.is_some()
    }

    /// Suppresses the failure, if there is one.
    pub(crate) fn suppress(&self) {
        let head = self.head();
        if head.steps.is_some() {
            head.suppressed.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_suppressed(&self) -> bool {
        self.head().suppressed.load(Ordering::Relaxed)
    }

    fn is_retold(&self) -> bool {
        self.head().retold.load(Ordering::Relaxed)
    }

    /// Whether this is a failure that somebody has to get: not suppressed, and not only [retold](Ending::retold).
    pub(crate) fn stands(&self) -> bool {
        self.is_failure() && !self.is_suppressed() && !self.is_retold()
    }

    pub(crate) fn into_standing(self) -> Standing {
        match self.kind() {
            _ if !self.stands() => Standing::Nothing(self),
            ExitKind::Panicked => match self.into_panic() {
                Some(payload) => Standing::Panic(payload),
                None => Standing::Nothing(Ending::cancelled()),
            },
            _ => Standing::Error(self),
        }
    }

    /// The failure, out of its box, if it is a `B`.
    fn into_failure<B: Any>(self) -> Option<B> {
        let steps = self.head().steps?;
        let this = ManuallyDrop::new(self);
        // SAFETY: the steps are those of this `BoxedFailure`, which this owns and, not being dropped, doesn't use again.
        let boxed = unsafe { (steps.take)(this.0) };
        Some(boxed.downcast::<BoxedFailure<B>>().ok()?.failure)
    }

    /// The body's error, if it is a `B`.
    pub(crate) fn into_error<B: Any>(self) -> Result<B, Ending> {
        match self.failure().and_then(Failure::error) {
            Some(error) if error.is::<B>() => {}
            _ => return Err(self),
        }
        match self.into_failure::<Failed<B>>() {
            Some(failed) => Ok(failed.error),
            None => Err(Ending::cancelled()),
        }
    }

    /// The body's panic.
    pub(crate) fn into_panic(self) -> Option<Payload> {
        self.into_failure::<Panicked>().map(|panicked| panicked.0)
    }

    pub(crate) fn error_ref<T: Any + Sync>(&self) -> Option<&T> {
        self.failure()?.error()?.downcast_ref()
    }

    pub(crate) fn panic_ref<T: Any + Sync>(&self) -> Option<&T> {
        self.failure()?.panic()?.downcast_ref()
    }

    pub(crate) fn fmt_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failure() {
            Some(failure) => failure.fmt_error(f),
            None => f.write_str("no error"),
        }
    }
}

impl Drop for Ending {
    #[inline]
    fn drop(&mut self) {
        if let Some(steps) = self.head().steps {
            // SAFETY: the steps are those of this `BoxedFailure`, which this owns and, being dropped, doesn't use again.
            drop(unsafe { (steps.take)(self.0) });
        }
    }
}
