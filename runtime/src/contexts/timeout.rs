//! Contexts that end their body when time is up.

use crate::{
    AsyncContext, ContextManager, Definition,
    cold::{drop_waker, wake},
    frame::{Body, Ending, NotEntered, Sealed, Seed, is_its_own_seed},
    kind::{Fallible, Infallible, Kind, Strict, Suppressing, Wrapping},
    policy,
};
use pin_project_lite::pin_project;
use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

/// A context that ends its body with [`Elapsed`] when `delay` has passed since this call; `None` never does.
///
/// It yields a [`Timeout`], with which the body sees its deadline and moves it.
///
/// When time is up, the body is dropped, at the place where it is suspended. `with` returns the error once what the body has left behind is rolled
/// back. So the call may take longer than `delay`: if time is up during an inner teardown of ten seconds, that teardown finishes first, and then
/// there is [`Elapsed`]. A body that isn't suspended isn't interrupted. A body that is never suspended finishes, however late. Where two timeouts are
/// due at once, the outer one ends both.
///
/// It polls its body inside itself, so it has no guard. One allocation, for its handle. Mirrors `asyncio.timeout`.
///
/// # Cancellation
/// It has nothing to tear down: its [policy] is `drop`.
///
/// # Panics
/// `with` panics outside of a tokio runtime. On one whose timer isn't enabled (`enable_time`), it panics when a body that has a deadline is first
/// suspended.
///
/// ```
/// use contextlib::contexts::timeout;
/// use std::{io, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let end = timeout(Duration::from_millis(1))
///     .with(async |_| -> io::Result<()> { std::future::pending().await })
///     .await;
/// assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
/// # }
/// ```
#[doc(alias("asyncio.timeout", "wait_for", "fail_after", "deadline"))]
#[track_caller]
pub fn timeout(delay: impl Delay) -> TimeoutManager {
    manager(|| "timeout", after(delay.delay()))
}

/// A context that ends its body with [`Elapsed`] at `deadline`; `None` never does.
///
/// Otherwise it is as [`timeout`]. A deadline in the past ends the body where it is first suspended.
///
/// # Panics
/// As for [`timeout`].
///
/// ```
/// use contextlib::contexts::{Elapsed, timeout_at};
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let end = timeout_at(Instant::now())
///     .with(async |_| -> Result<u8, Elapsed> { Ok(1) })
///     .await;
/// assert_eq!(end, Ok(1), "it was never suspended");
/// # }
/// ```
#[doc(alias("asyncio.timeout_at", "fail_at"))]
#[track_caller]
pub fn timeout_at(deadline: impl Deadline) -> TimeoutManager {
    manager(|| "timeout_at", deadline.deadline())
}

/// A context that ends its body without an error when `delay` has passed since this call: what comes out is an `Option`.
///
/// Otherwise it is as [`timeout`]. Mirrors `move_on_after` of trio and anyio.
///
/// # Panics
/// As for [`timeout`].
///
/// ```
/// use contextlib::contexts::move_on_after;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = move_on_after(Duration::from_millis(1))
///     .run(async |_| std::future::pending::<u8>().await)
///     .await;
/// assert_eq!(answer, None);
/// # }
/// ```
#[doc(alias = "CancelScope")]
#[track_caller]
pub fn move_on_after(delay: impl Delay) -> TimeoutManager<Infallible<Suppressing, Wrapping>> {
    manager(|| "move_on_after", after(delay.delay()))
}

/// A context that ends its body without an error at `deadline`.
///
/// Otherwise it is as [`move_on_after`].
///
/// # Panics
/// As for [`timeout`].
///
/// ```
/// use contextlib::contexts::move_on_at;
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = move_on_at(Instant::now())
///     .run(async |_| std::future::pending::<u8>().await)
///     .await;
/// assert_eq!(answer, None);
/// # }
/// ```
#[track_caller]
pub fn move_on_at(deadline: impl Deadline) -> TimeoutManager<Infallible<Suppressing, Wrapping>> {
    manager(|| "move_on_at", deadline.deadline())
}

/// How long a [`timeout`] waits: a `Duration`, or `None` for ever.
#[diagnostic::on_unimplemented(
    message = "a timeout's delay is a `Duration`, not a `{Self}`",
    label = "write `Duration::from_secs(…)`, or `None` for no limit",
    note = "for a point in time, there are `timeout_at` and `move_on_at`"
)]
pub trait Delay {
    #[doc(hidden)]
    fn delay(self) -> Option<Duration>;
}

impl Delay for Duration {
    fn delay(self) -> Option<Duration> {
        Some(self)
    }
}

impl Delay for Option<Duration> {
    fn delay(self) -> Option<Duration> {
        self
    }
}

/// When a [`timeout_at`] ends: at an [`Instant`] of tokio's clock, or never if it is `None`.
#[diagnostic::on_unimplemented(
    message = "a timeout's deadline is a `tokio::time::Instant`, not a `{Self}`",
    label = "write `Instant::now() + Duration::from_secs(…)` with tokio's `Instant`, or `None` for no limit",
    note = "for a duration, there are `timeout` and `move_on_after`; to convert an instant of the standard library, use tokio's `Instant::from_std(…)`"
)]
pub trait Deadline {
    #[doc(hidden)]
    fn deadline(self) -> Option<Instant>;
}

impl Deadline for Instant {
    fn deadline(self) -> Option<Instant> {
        Some(self)
    }
}

impl Deadline for Option<Instant> {
    fn deadline(self) -> Option<Instant> {
        self
    }
}

/// What [`timeout`] returns; with another kind, what [`move_on_after`] does.
pub type TimeoutManager<K = Fallible<Elapsed, Strict, Wrapping>> =
    ContextManager<Timed<K>, policy::Drop>;

/// A deadline too far away to be told is none.
fn after(delay: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(delay?)
}

#[track_caller]
fn manager<K: Expires>(name: fn() -> &'static str, deadline: Option<Instant>) -> TimeoutManager<K> {
    ContextManager::new(Seed::new(Timed {
        definition: Definition::here(name),
        timeout: Owner(Timeout(Arc::new(Mutex::new(Shared {
            deadline,
            stage: Stage::Created,
            waker: None,
        })))),
        timer: None,
        suspended: false,
        ending: None,
        _kind: std::marker::PhantomData,
    }))
}

impl<K: Expires> TimeoutManager<K> {
    /// The timeout's handle, before the context is entered: to be asked afterwards whether it has expired.
    ///
    /// ```
    /// use contextlib::contexts::move_on_after;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let minute = move_on_after(Duration::from_secs(60));
    /// let timeout = minute.timeout();
    /// minute.run(async |_| ()).await;
    /// assert!(!timeout.expired());
    /// # }
    /// ```
    pub fn timeout(&self) -> Timeout {
        self.seed().timeout.0.clone()
    }
}

/// A running timeout: what [`timeout`] and its kin yield.
///
/// It is a handle: its clones are the same timeout. It may be used from other tasks, and after the timeout has ended.
#[derive(Clone)]
pub struct Timeout(Arc<Mutex<Shared>>);

struct Shared {
    deadline: Option<Instant>,
    stage: Stage,
    /// Wakes the task that has to look at the deadline when that is moved.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Created,
    Active,
    Expired,
    Finished,
}

impl Timeout {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing here panics with the state half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The deadline; `None` if there is none.
    #[doc(alias = "deadline")]
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        self.lock().deadline
    }

    /// Moves the deadline; `None` switches the timeout off. A deadline in the past ends the body where it is next suspended.
    ///
    /// # Errors
    /// If the timeout isn't running: it hasn't been entered, it has expired, or its body is over.
    ///
    /// ```
    /// use contextlib::contexts::{Elapsed, timeout};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let end = timeout(Duration::from_millis(1))
    ///     .with(async |timeout| -> Result<(), Elapsed> {
    ///         timeout.reschedule(None).expect("it is running");
    ///         tokio::time::sleep(Duration::from_millis(2)).await;
    ///         Ok(())
    ///     })
    ///     .await;
    /// assert_eq!(end, Ok(()));
    /// # }
    /// ```
    pub fn reschedule(&self, deadline: impl Deadline) -> Result<(), RescheduleError> {
        let deadline = deadline.deadline();
        let mut shared = self.lock();
        match shared.stage {
            Stage::Created => return Err(RescheduleError::NotEntered),
            Stage::Expired => return Err(RescheduleError::Expired),
            Stage::Finished => return Err(RescheduleError::Finished),
            Stage::Active => {}
        }
        shared.deadline = deadline;
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            wake(waker);
        }
        Ok(())
    }

    /// The deadline. From now on, `waker` is the one that is woken when the deadline is moved.
    fn wake_on_change(&self, waker: &Waker) -> Option<Instant> {
        let shared = self.lock();
        let known = matches!(&shared.waker, Some(old) if old.will_wake(waker));
        if known {
            return shared.deadline;
        }
        drop(shared);
        // The waker's `clone`, and the drop of the old one, are code of the user's: outside of the lock.
        let waker = waker.clone();
        let mut shared = self.lock();
        let old = shared.waker.replace(waker);
        let deadline = shared.deadline;
        drop(shared);
        drop_waker(old);
        deadline
    }

    /// Whether it has ended its body.
    #[must_use = "this only tells whether the timeout has ended its body"]
    pub fn expired(&self) -> bool {
        self.lock().stage == Stage::Expired
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared {
            deadline, stage, ..
        } = *self.lock();
        // The lock is free again: the writer is code of the user's.
        f.debug_struct("Timeout")
            .field("when", &deadline)
            .field("stage", &stage)
            .finish()
    }
}

/// Time was up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[doc(alias = "TimeoutError")]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// Why a deadline can't be [moved](Timeout::reschedule).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RescheduleError {
    /// The timeout hasn't been entered.
    NotEntered,
    /// It has ended its body.
    Expired,
    /// Its body is over.
    Finished,
}

impl fmt::Display for RescheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RescheduleError::NotEntered => "the timeout has not been entered",
            RescheduleError::Expired => "the timeout has expired",
            RescheduleError::Finished => "the timeout's body is over",
        })
    }
}

impl std::error::Error for RescheduleError {}

/// What a timeout returns when it expires.
pub trait Expires: Kind + Sized {
    #[doc(hidden)]
    fn elapsed() -> Result<(), Self::Error>;
}

impl Expires for Fallible<Elapsed, Strict, Wrapping> {
    fn elapsed() -> Result<(), Elapsed> {
        Err(Elapsed)
    }
}

impl Expires for Infallible<Suppressing, Wrapping> {
    fn elapsed() -> Result<(), Self::Error> {
        Ok(())
    }
}

pin_project! {
    /// A timeout as a context.
    pub struct Timed<K> {
        definition: Definition,
        timeout: Owner,
        #[pin]
        timer: Option<Sleep>,
        // Whether the body has been suspended. Only from then on, time may be up.
        suspended: bool,
        ending: Option<Ending>,
        _kind: std::marker::PhantomData<fn() -> K>,
    }
}

/// The context's own handle. Its drop ends the timeout.
struct Owner(Timeout);

impl Owner {
    fn end(&self, stage: Stage) {
        let mut shared = self.0.lock();
        if matches!(shared.stage, Stage::Created | Stage::Active) {
            shared.stage = stage;
        }
        let waker = shared.waker.take();
        drop(shared);
        drop_waker(waker);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.end(Stage::Finished);
    }
}

impl<K: Expires> Sealed for Timed<K> {}

#[diagnostic::do_not_recommend]
impl<K: Expires> AsyncContext for Timed<K> {
    type Resource = Timeout;
    type Kind = K;

    is_its_own_seed!();

    fn definition(self: Pin<&mut Self>) -> Definition {
        *self.project().definition
    }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<Timeout>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<K::Error>>> {
        let this = self.project();
        assert!(
            Handle::try_current().is_ok(),
            "{} was entered outside of a tokio runtime, whose timer it needs",
            this.definition
        );
        let timeout = this.timeout.0.clone();
        timeout.lock().stage = Stage::Active;
        *room = Some(timeout);
        Poll::Ready(Ok(()))
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut body: Body<'_, Timeout>,
    ) -> Poll<Result<(), K::Error>> {
        let mut this = self.project();
        let due = |deadline: Option<Instant>| deadline.is_some_and(|due| due <= Instant::now());
        // Before the body is polled: so of two timeouts that are due, the outer one ends both.
        if *this.suspended && due(this.timeout.0.when()) {
            this.timeout.end(Stage::Expired);
            body.cancel();
            return Poll::Ready(K::elapsed());
        }
        if body.poll(cx) {
            return Poll::Pending;
        }
        *this.suspended = true;
        let deadline = this.timeout.0.wake_on_change(cx.waker());
        match (deadline, this.timer.as_mut().as_pin_mut()) {
            (None, _) => this.timer.set(None),
            (Some(deadline), None) => this.timer.set(Some(sleep_until(deadline))),
            (Some(deadline), Some(timer)) if timer.deadline() != deadline => timer.reset(deadline),
            (Some(_), Some(_)) => {}
        }
        if let Some(timer) = this.timer.as_pin_mut() {
            if timer.poll(cx).is_ready() {
                // The deadline has passed by now. Time is up in a poll of its own, as when the timer fires later.
                wake(cx.waker().clone());
            }
        }
        Poll::Pending
    }

    fn resume(self: Pin<&mut Self>, room: &mut Option<Timeout>, ending: Ending) {
        let this = self.project();
        this.timeout.end(Stage::Finished);
        *this.ending = Some(ending);
        *room = None;
    }

    fn poll_teardown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        Poll::Ready(Ok(()))
    }

    fn finish(self: Pin<&mut Self>) -> Option<Ending> {
        let mut this = self.project();
        this.timeout.end(Stage::Finished);
        this.timer.set(None);
        this.ending.take()
    }
}
