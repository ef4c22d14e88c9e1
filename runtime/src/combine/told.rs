//! What an outer context sees of an inner one's end, and what both come to: the same as for one `with` inside of another.

use crate::{
    AsyncContext, Definition, ExitKind,
    frame::{Ending, NotEntered, Payload, Swallowed},
    kind::{Joined, Kind, Suppression},
    report::{self, Failure},
};
use std::{
    fmt::{self, Debug},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

pub(super) type ErrorOf<C> = <<C as AsyncContext>::Kind as Kind>::Error;
type KindOf<A, B> = Joined<<A as AsyncContext>::Kind, <B as AsyncContext>::Kind>;
pub(super) type JoinedError<A, B> = <KindOf<A, B> as Kind>::Error;

/// What a context came to: it went well, or it has an error, or it has panicked.
pub(super) type Came<E> = thread::Result<Result<(), NotEntered<E>>>;

/// What became of the outcome of the inner context, while the outer one sees it.
pub(super) struct Told<B: AsyncContext> {
    what: What,
    /// How the body ended, where the outer context sees something else.
    body: Option<Ending>,
    /// The inner context's error or panic, where the outer one sees how the body ended.
    second: Option<Second<ErrorOf<B>>>,
    /// What an outer context inside of the inner one has swallowed in its setup.
    skipped: Option<Option<Swallowed<ErrorOf<B>>>>,
}

/// A failure that is told apart from the body's. Where both contexts are dropped before it can be, it is reported.
struct Second<E: Debug> {
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

/// What the outer context sees.
enum What {
    /// How the body ended.
    Body,
    /// The inner context's error.
    Error,
    /// The inner context's panic.
    Panic,
    /// That all is well, though the inner context has swallowed the body's failure, or has skipped the body.
    Nothing,
}

/// Where failures that nobody gets are reported from: contexts put together know where that was, and not where they were entered.
#[derive(Clone, Copy)]
pub(super) struct Reporter {
    pub(super) context: Definition,
    pub(super) at: Definition,
    pub(super) exit: ExitKind,
}

impl Reporter {
    pub(super) fn error<E: Debug>(self, error: E) {
        report::failure_of(self.context, self.at, self.exit, Failure::Error(&error));
        self.drop_quietly(error);
    }

    pub(super) fn panic(self, payload: Payload) {
        report::failure_of(self.context, self.at, self.exit, Failure::Panic(&*payload));
        report::discard(payload);
    }

    /// Drops what has a destructor of the user's.
    pub(super) fn drop_quietly<T>(self, value: T) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            self.panic(payload);
        }
    }

    /// Whatever went wrong.
    pub(super) fn failure<E: Debug>(self, came: Came<E>) {
        match came {
            Ok(Ok(())) => {}
            Ok(Err(NotEntered::Failed(error))) => self.error(error),
            Ok(Err(skipped)) => self.drop_quietly(skipped),
            Err(payload) => self.panic(payload),
        }
    }
}

/// A failure stands until something swallows it.
pub(super) fn stands(ending: &Ending) -> bool {
    matches!(ending.kind(), ExitKind::Failed | ExitKind::Panicked) && !ending.is_suppressed()
}

impl<B> Told<B>
where
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    fn new(what: What) -> Self {
        Told {
            what,
            body: None,
            second: None,
            skipped: None,
        }
    }

    /// The inner context has come to `came`; its body, if there was one that is over, has ended like `ending`. Returns what the outer context is to
    /// be told.
    pub(super) fn new_of(
        inner: Reporter,
        came: Came<ErrorOf<B>>,
        ending: Option<Ending>,
    ) -> (Self, Ending) {
        match (came, ending) {
            (Err(payload), Some(ending))
                if stands(&ending) && ending.kind() == ExitKind::Panicked =>
            {
                inner.panic(payload);
                (Told::new(What::Body), ending)
            }
            (Err(payload), Some(ending)) if ending.kind() == ExitKind::Cancelled => {
                let mut told = Told::new(What::Body);
                told.second = Some(Second::new(inner, Err(payload)));
                (told, ending)
            }
            (Err(payload), body) => {
                let mut told = Told::new(What::Panic);
                told.body = body;
                (told, Ending::panicked(payload))
            }
            (Ok(Err(NotEntered::Failed(error))), Some(ending))
                if stands(&ending) || ending.kind() == ExitKind::Cancelled =>
            {
                let mut told = Told::new(What::Body);
                told.second = Some(Second::new(inner, Ok(error)));
                (told, ending)
            }
            (Ok(Err(NotEntered::Failed(error))), body) => {
                let mut told = Told::new(What::Error);
                told.body = body;
                (told, Ending::failed(error))
            }
            (Ok(Err(NotEntered::Skipped(swallowed))), _) => {
                let mut told = Told::new(What::Nothing);
                told.skipped = Some(swallowed);
                (told, Ending::completed())
            }
            (Ok(Ok(())), Some(ending)) if !ending.is_suppressed() => {
                (Told::new(What::Body), ending)
            }
            (Ok(Ok(())), body) => {
                let mut told = Told::new(What::Nothing);
                told.body = body;
                (told, Ending::completed())
            }
        }
    }

    /// The outer context, told `ending`, has come to `came`. Returns what both come to, and how the body ended.
    pub(super) fn settle<A: AsyncContext>(
        self,
        (outer, inner): (Reporter, Reporter),
        came: Came<ErrorOf<A>>,
        ending: Option<Ending>,
    ) -> (Came<JoinedError<A, B>>, Option<Ending>) {
        let Told {
            what,
            body,
            second,
            skipped,
        } = self;
        let swallowed = ending.as_ref().is_some_and(Ending::is_suppressed);
        match what {
            What::Body => {
                let second = second.and_then(|mut second| second.failure.take());
                let came = match (second, came) {
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
                };
                (came, ending)
            }
            What::Error => match (ending.map(Ending::into_error::<ErrorOf<B>>), came) {
                (Some(Ok(error)), Ok(Ok(()))) if swallowed => {
                    let error = KindOf::<A, B>::inner(error);
                    skip(body, Some(Swallowed::Error(error)))
                }
                (Some(Ok(error)), came) if swallowed => {
                    inner.drop_quietly(error);
                    (from_outer::<A, B>(came), body.map(swallow))
                }
                (Some(Ok(error)), Ok(also)) => {
                    outer.failure(Ok(also));
                    (from_inner::<A, B>(error), body)
                }
                (Some(Ok(error)), Err(payload)) => {
                    inner.error(error);
                    (Err(payload), body)
                }
                // It has dropped the error with its frame: nothing is left to be returned.
                (Some(Err(_)) | None, came) => (from_outer::<A, B>(came), body),
            },
            What::Panic => match (ending.and_then(Ending::into_panic), came) {
                (Some(payload), came) if swallowed => {
                    if let Some(body) = body.as_ref().filter(|body| stands(body)) {
                        let exit = body.kind();
                        Reporter { exit, ..inner }.error(ErrorIn(body));
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
            },
            What::Nothing => match (skipped, came) {
                (Some(skipped), Ok(Ok(()))) => {
                    let skipped = NotEntered::Skipped(skipped).map(KindOf::<A, B>::inner);
                    (Ok(Err(skipped)), body)
                }
                (_, came) => (from_outer::<A, B>(came), body),
            },
        }
    }
}

/// The outer context has swallowed the inner one's failure. Without a body, that was one of its setup.
fn skip<E>(body: Option<Ending>, swallowed: Option<Swallowed<E>>) -> (Came<E>, Option<Ending>) {
    match body {
        Some(body) => (Ok(Ok(())), Some(swallow(body))),
        None => (Ok(Err(NotEntered::Skipped(swallowed))), None),
    }
}

/// The same ending, swallowed: there is no value, though the body may have completed.
pub(super) fn swallow(body: Ending) -> Ending {
    let body = match body.kind() {
        ExitKind::Completed | ExitKind::Cancelled => Ending::failed_as(String::new()),
        ExitKind::Failed | ExitKind::Panicked => body,
    };
    body.suppress();
    body
}

fn from_inner<A: AsyncContext, B: AsyncContext>(error: ErrorOf<B>) -> Came<JoinedError<A, B>> {
    Ok(Err(NotEntered::Failed(KindOf::<A, B>::inner(error))))
}

pub(super) fn from_outer<A: AsyncContext, B: AsyncContext>(
    came: Came<ErrorOf<A>>,
) -> Came<JoinedError<A, B>> {
    came.map(|came| came.map_err(|error| error.map(KindOf::<A, B>::outer)))
}

/// A context that may not end its body early without an error has done so: its panic.
pub(super) fn check_early<K: Kind>(context: Definition) -> thread::Result<()> {
    match K::Suppression::missing::<()>() {
        Some(_) => Ok(()),
        None => catch_unwind(|| drop(crate::outcome::missing::<K, ()>(context))),
    }
}

/// The error in an ending, to print.
struct ErrorIn<'a>(&'a Ending);

impl Debug for ErrorIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_error(f)
    }
}
