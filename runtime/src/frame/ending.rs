//! How the body ended: owned by the frame's slot, so that a view of it lives as long as the teardown that looks at it.

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
// One word, as is an `Option` of it: both go through registers. A larger one would be written in parts and copied as a whole, which has to wait for the
// parts.
pub struct Ending(NonNull<Head>);

/// What an [`Ending`] points to: one of the two statics below, or the first field of a boxed [`BoxedFailure`].
struct Head {
    kind: ExitKind,
    /// Whether the failure is suppressed.
    suppressed: AtomicBool,
    /// Whether it is what somebody else was told, who has the failure itself.
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
// In this order, so that a pointer to it is one to its head.
#[repr(C)]
struct BoxedFailure<B> {
    head: Head,
    failure: B,
}

/// What is done with a [`BoxedFailure`] of which only the head is known.
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
        // SAFETY: by this function's contract; `&raw` makes no reference, and a field's address isn't null.
        unsafe { NonNull::new_unchecked(&raw mut (*head.cast::<Self>().as_ptr()).failure) }
    }

    /// # Safety
    /// The head is that of such a `BoxedFailure`, made by [`boxed`](BoxedFailure::boxed), and this is its last use.
    unsafe fn take(head: NonNull<Head>) -> Box<dyn Any> {
        // SAFETY: by this function's contract.
        unsafe { Box::from_raw(head.cast::<Self>().as_ptr()) }
    }
}

/// What of an ending goes on until somebody gets it.
pub(crate) enum Standing {
    /// An error; still an ending, for who gets it knows its type.
    Error(Ending),
    Panic(Payload),
    /// It is no failure, or it is suppressed, or somebody else's.
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

    // What is written to isn't ours: it gets the text once the lock is free again.
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

/// The text of an error that isn't `Send`.
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
// SAFETY: the error and the payload are only `Send`. What a shared `Ending` gives of them: `error_ref` and `panic_ref`, a reference to a type
// that is `Sync`, found by comparing type ids, which touches no data; `fmt_error`, which runs the error's `Debug` under the lock, on one
// thread at a time, so that it is as if the error were sent there and back. A reference to a `Sync` type that another thread holds
// meanwhile may be read at the same time, which `Sync` allows. Everything else in `Ending` is `Sync`.
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

    /// The same, as told to one more context: whoever has the failure itself sees to it that it goes on.
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
        // SAFETY: a static, or the first field of a box that lives as long as this; all that is written to it is atomic.
        unsafe { self.0.as_ref() }
    }

    fn failure(&self) -> Option<&dyn Failure> {
        let steps = self.head().steps?;
        // SAFETY: the steps are those of this `BoxedFailure`, which is shared for as long as `self` is.
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

    /// A failure stands until something swallows it, where it was told first.
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

    /// Takes a boxed failure out.
    fn into_failure<B: Any>(self) -> Option<B> {
        let steps = self.head().steps?;
        let this = ManuallyDrop::new(self);
        // SAFETY: the steps are those of this `BoxedFailure`, which was boxed for this ending; that is given up.
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
            // SAFETY: the steps are those of this `BoxedFailure`, which was boxed for this ending; that is dropped.
            drop(unsafe { (steps.take)(self.0) });
        }
    }
}
