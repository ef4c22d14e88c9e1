//! What an outer context sees of an inner one's end, and what both come to. It is the same as for one `with` inside another.

use crate::{
    AsyncContext, Definition, ExitKind,
    frame::{Ending, ErrorOf, NotEntered, Payload, Standing, Swallowed},
    kind::{Joined, Kind, Suppression},
    report::{self, ErrorIn, Failure, Whose},
    teardown::finish_quietly,
};
use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    thread,
};

type KindOf<A, B> = Joined<<A as AsyncContext>::Kind, <B as AsyncContext>::Kind>;
pub(super) type JoinedError<A, B> = <KindOf<A, B> as Kind>::Error;

/// What a context came to: all is well, it has an error, or it has panicked.
pub(super) type ContextResult<E> = thread::Result<Result<(), NotEntered<E>>>;

/// What the outer context was told, where that isn't just how the body ended: and with it, what it wasn't told, which is kept here meanwhile.
pub(super) enum Told<B: AsyncContext> {
    /// How the body ended, and not the inner context's failure.
    Body(Second<ErrorOf<B>>),
    /// The inner context's error, and not how the body ended.
    Error(Option<Ending>),
    /// The inner context's panic, and not how the body ended.
    Panic(Option<Ending>),
    /// That all is well, though the inner context has swallowed the body's outcome, or has ended the body.
    Swallowed(Option<Ending>),
    /// That its body is cancelled, since the caller is gone. What the outer context comes to is reported.
    Gone(Option<Ending>),
    /// That all is well, though a context inside the inner one has swallowed a failure in a setup, so that there was no body.
    Skipped(Option<Swallowed<ErrorOf<B>>>),
}

/// A failure of the inner context, which its caller is to get beside the body's outcome. If the contexts are dropped before that, it is reported.
pub(super) struct Second<E: Debug> {
    failure: Option<Result<E, Payload>>,
    inner: Reporter,
}

impl<E: Debug> Second<E> {
    fn new(inner: Reporter, failure: Result<E, Payload>) -> Self {
        Second {
            failure: Some(failure),
            inner,
        }
    }

    fn take(mut self) -> Option<Result<E, Payload>> {
        self.failure.take()
    }
}

impl<E: Debug> Drop for Second<E> {
    fn drop(&mut self) {
        match self.failure.take() {
            Some(Ok(error)) => self.inner.error(error),
            Some(Err(payload)) => self.inner.panic(payload),
            None => {}
        }
    }
}

/// What a failure that nobody gets is reported with. Contexts put together know where that was done, but not where they were entered.
#[derive(Clone, Copy)]
pub(super) struct Reporter {
    pub(super) context: Definition,
    pub(super) at: Definition,
    pub(super) exit: ExitKind,
}

/// Where the failures of both contexts are reported from.
#[derive(Clone, Copy)]
pub(super) struct Reporters {
    pub(super) outer: Reporter,
    pub(super) inner: Reporter,
}

impl Reporter {
    /// The same, for a context whose own body ended like this.
    fn after(self, body: Option<&Ending>) -> Self {
        let exit = body.map_or(ExitKind::Cancelled, Ending::kind);
        Reporter { exit, ..self }
    }

    fn report(self, whose: Whose, failure: Failure<'_>) {
        report::failure_of(self.context, self.at, whose, self.exit, failure);
    }

    pub(super) fn error<E: Debug>(self, error: E) {
        self.report(Whose::Context, Failure::Error(&error));
        self.drop_quietly(error);
    }

    pub(super) fn panic(self, payload: Payload) {
        self.report(Whose::Context, Failure::Panic(&*payload));
        report::discard(payload);
    }

    /// Reports a failure of the context, out of the ending by which the context around it was told.
    fn ending(self, ending: Ending) {
        match ending.into_standing() {
            Standing::Error(ending) => {
                self.report(Whose::Context, Failure::Error(&ErrorIn(&ending)));
                self.drop_quietly(ending);
            }
            Standing::Panic(payload) => self.panic(payload),
            Standing::Nothing(ending) => self.drop_quietly(ending),
        }
    }

    /// Drops something with a destructor of the user's, and reports its panic.
    pub(super) fn drop_quietly<T>(self, value: T) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            self.panic(payload);
        }
    }

    /// Reports whatever went wrong.
    pub(super) fn failure<E: Debug>(self, came: ContextResult<E>) {
        match came {
            Ok(Ok(())) => {}
            Ok(Err(NotEntered::Failed(error))) => self.error(error),
            Ok(Err(skipped)) => self.drop_quietly(skipped),
            Err(payload) => self.panic(payload),
        }
    }
}

/// A destructor in the frame of a context that has come to `came` has panicked. Drops what is left of the frame. The first panic is what the context has come to,
/// unless something had gone wrong before; all others are reported.
#[cold]
pub(super) fn finished_anyway<C: AsyncContext>(
    mut frame: Pin<&mut C>,
    reporter: Reporter,
    mut came: ContextResult<ErrorOf<C>>,
    payload: Payload,
) -> (ContextResult<ErrorOf<C>>, Option<Ending>) {
    let mut panics = vec![payload];
    let ending = finish_quietly(&mut || frame.as_mut().finish(), &mut |another| {
        panics.push(another);
    });
    let reporter = reporter.after(ending.as_ref());
    for payload in panics {
        match came {
            Ok(Ok(())) => came = Err(payload),
            _ => reporter.panic(payload),
        }
    }
    (came, ending)
}

impl<B> Told<B>
where
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    /// The inner context has come to `came`. Its body, if there was one and it is over, ended like `ending`. Returns the ending that the outer context is to be told
    /// and, if there is more to it, what kind of thing that is.
    #[inline]
    pub(super) fn new_of(
        inner: Reporter,
        came: ContextResult<ErrorOf<B>>,
        ending: Option<Ending>,
    ) -> (Option<Self>, Ending) {
        match (came, ending) {
            (Ok(Ok(())), Some(ending)) if !ending.is_suppressed() => (None, ending),
            (came, ending) => Told::of_changed(inner, came, ending),
        }
    }

    /// The same where the caller is gone: the inner context's failure is reported, and the outer one is told that its body is cancelled.
    #[cold]
    pub(super) fn new_of_abandoned(
        inner: Reporter,
        came: ContextResult<ErrorOf<B>>,
        ending: Option<Ending>,
    ) -> (Option<Self>, Ending) {
        inner.failure(came);
        (Some(Told::Gone(ending)), Ending::cancelled())
    }

    /// The inner context has failed, or has changed how the body ended.
    #[cold]
    fn of_changed(
        inner: Reporter,
        came: ContextResult<ErrorOf<B>>,
        ending: Option<Ending>,
    ) -> (Option<Self>, Ending) {
        let (told, ending) = match (came, ending) {
            (Err(payload), Some(ending))
                if ending.stands() && ending.kind() == ExitKind::Panicked =>
            {
                inner.panic(payload);
                return (None, ending);
            }
            (Err(payload), Some(ending)) if ending.kind() == ExitKind::Cancelled => {
                (Told::Body(Second::new(inner, Err(payload))), ending)
            }
            (Err(payload), body) => (Told::Panic(body), Ending::panicked(payload)),
            (Ok(Err(NotEntered::Failed(error))), Some(ending))
                if ending.stands() || ending.kind() == ExitKind::Cancelled =>
            {
                (Told::Body(Second::new(inner, Ok(error))), ending)
            }
            (Ok(Err(NotEntered::Failed(error))), body) => {
                (Told::Error(body), Ending::failed(error))
            }
            (Ok(Err(NotEntered::Skipped(swallowed))), _) => {
                (Told::Skipped(swallowed), Ending::completed())
            }
            (Ok(Ok(())), body) => (Told::Swallowed(body), Ending::completed()),
        };
        (Some(told), ending)
    }

    /// The outer context was told `ending`, and has come to `came`. Returns what both contexts come to, and how the body ended.
    #[cold]
    pub(super) fn settle<A: AsyncContext>(
        self,
        reporters: Reporters,
        came: ContextResult<ErrorOf<A>>,
        ending: Option<Ending>,
    ) -> (ContextResult<JoinedError<A, B>>, Option<Ending>) {
        let swallowed = ending.as_ref().is_some_and(Ending::is_suppressed);
        match self {
            Told::Body(second) => {
                let came = settle_second::<A, B>(reporters, second.take(), swallowed, came);
                (came, ending)
            }
            Told::Error(body) => {
                let error = ending.and_then(|ending| ending.into_error::<ErrorOf<B>>().ok());
                settle_error::<A, B>(reporters, error, swallowed, body, came)
            }
            Told::Panic(body) => {
                let payload = ending.and_then(Ending::into_panic);
                settle_panic::<A, B>(reporters, payload, swallowed, body, came)
            }
            Told::Swallowed(body) => (from_outer::<A, B>(came), body),
            Told::Gone(body) => {
                reporters.outer.failure(came);
                (Ok(Ok(())), body)
            }
            Told::Skipped(swallowed) => match came {
                Ok(Ok(())) => {
                    let skipped = NotEntered::Skipped(swallowed).map(KindOf::<A, B>::inner);
                    (Ok(Err(skipped)), None)
                }
                came => (from_outer::<A, B>(came), None),
            },
        }
    }
}

/// What both contexts come to, if the outer one was told how the body ended, and not the inner one's failure `second`.
fn settle_second<A: AsyncContext, B: AsyncContext>(
    Reporters { outer, inner }: Reporters,
    second: Option<Result<ErrorOf<B>, Payload>>,
    swallowed: bool,
    came: ContextResult<ErrorOf<A>>,
) -> ContextResult<JoinedError<A, B>> {
    match (second, came) {
        (None, came) => from_outer::<A, B>(came),
        (Some(Ok(error)), Ok(Ok(()))) if !swallowed => from_inner::<A, B>(error),
        (Some(Ok(error)), Ok(Err(also))) if !swallowed => {
            outer.failure(Ok(Err(also)));
            from_inner::<A, B>(error)
        }
        (Some(Ok(error)), came) => {
            inner.error(error);
            from_outer::<A, B>(came)
        }
        (Some(Err(payload)), came) => {
            outer.failure(came);
            Err(payload)
        }
    }
}

/// What both contexts come to, if the outer one was told the inner one's error. No `error`: the outer context has dropped it with its frame, so that nothing
/// is left to be returned.
fn settle_error<A: AsyncContext, B: AsyncContext>(
    Reporters { outer, inner }: Reporters,
    error: Option<ErrorOf<B>>,
    swallowed: bool,
    body: Option<Ending>,
    came: ContextResult<ErrorOf<A>>,
) -> (ContextResult<JoinedError<A, B>>, Option<Ending>) {
    match (error, came) {
        (Some(error), Ok(Ok(()))) if swallowed => {
            let error = KindOf::<A, B>::inner(error);
            skip(body, Some(Swallowed::Error(error)))
        }
        (Some(error), came) if swallowed => {
            inner.drop_quietly(error);
            (from_outer::<A, B>(came), body.map(swallow))
        }
        (Some(error), Ok(also)) => {
            outer.failure(Ok(also));
            (from_inner::<A, B>(error), body)
        }
        (Some(error), Err(payload)) => {
            inner.after(body.as_ref()).error(error);
            (Err(payload), body)
        }
        (None, came) => (from_outer::<A, B>(came), body),
    }
}

/// What both contexts come to, if the outer one was told the inner one's panic.
fn settle_panic<A: AsyncContext, B: AsyncContext>(
    Reporters { outer, inner }: Reporters,
    payload: Option<Payload>,
    swallowed: bool,
    body: Option<Ending>,
    came: ContextResult<ErrorOf<A>>,
) -> (ContextResult<JoinedError<A, B>>, Option<Ending>) {
    match (payload, came) {
        (Some(payload), came) if swallowed => {
            if let Some(body) = body.as_ref().filter(|body| body.stands()) {
                let failure = ErrorIn(body);
                let inner = inner.after(Some(body));
                inner.report(Whose::Body, Failure::Error(&failure));
            }
            match came {
                Ok(Ok(())) => skip(body, Some(Swallowed::Panic(payload))),
                came => {
                    inner.drop_quietly(payload);
                    (from_outer::<A, B>(came), body.map(swallow))
                }
            }
        }
        (Some(payload), came) => {
            outer.failure(came);
            (Err(payload), body)
        }
        (None, came) => (from_outer::<A, B>(came), body),
    }
}

impl<B: AsyncContext> Told<B> {
    /// The outer context was told `ending`, and is dropped before its end. Reports the inner one's failure, and returns how the body ended.
    #[cold]
    pub(super) fn left(self, inner: Reporter, ending: Option<Ending>) -> Option<Ending> {
        match self {
            Told::Body(second) => {
                drop(second);
                ending
            }
            Told::Error(body) | Told::Panic(body) => {
                if let Some(ending) = ending {
                    inner.after(body.as_ref()).ending(ending);
                }
                body
            }
            Told::Swallowed(body) | Told::Gone(body) => body,
            Told::Skipped(swallowed) => {
                inner.drop_quietly(swallowed);
                None
            }
        }
    }
}

/// What both come to if the outer context has swallowed the inner one's failure. Without a body, that was a failure of the setup.
fn skip<E>(
    body: Option<Ending>,
    swallowed: Option<Swallowed<E>>,
) -> (ContextResult<E>, Option<Ending>) {
    match body {
        Some(body) => (Ok(Ok(())), Some(swallow(body))),
        None => (Ok(Err(NotEntered::Skipped(swallowed))), None),
    }
}

/// An ending that says that the outcome was swallowed. It has no value, though the body may have completed.
pub(super) fn swallow(body: Ending) -> Ending {
    let body = match body.kind() {
        ExitKind::Completed | ExitKind::Cancelled => Ending::failed_as(String::new()),
        ExitKind::Failed | ExitKind::Panicked => body,
    };
    body.suppress();
    body
}

fn from_inner<A: AsyncContext, B: AsyncContext>(
    error: ErrorOf<B>,
) -> ContextResult<JoinedError<A, B>> {
    Ok(Err(NotEntered::Failed(KindOf::<A, B>::inner(error))))
}

pub(super) fn from_outer<A: AsyncContext, B: AsyncContext>(
    came: ContextResult<ErrorOf<A>>,
) -> ContextResult<JoinedError<A, B>> {
    came.map(|came| came.map_err(|error| error.map(KindOf::<A, B>::outer)))
}

/// A context has ended its body early, without an error. Unless it is a suppressing one, that is a panic, which this returns.
pub(super) fn check_early<K: Kind>(context: Definition) -> thread::Result<()> {
    match K::Suppression::missing::<()>() {
        Some(_) => Ok(()),
        None => catch_unwind(|| drop(crate::outcome::missing::<K, ()>(context))),
    }
}
