//! What comes out of a context: the body's outcome and the context's own.

use crate::{
    Definition, ExitKind,
    background::Entered,
    frame::{Ending, NotEntered},
    kind::{Kind, Out, RaiseAs, Suppression},
    report::{self, Failure},
    teardown::{Kept, join},
};
use std::{fmt::Debug, panic::resume_unwind, thread};

/// Both outcomes of a context: what [`outcome`](crate::ContextManager::outcome) returns.
///
/// ```
/// use contextlib::{Outcome, async_context, yield_resource};
/// use std::fmt;
///
/// #[async_context]
/// async fn fragile() -> Result<(), &'static str> {
///     if yield_resource!().is_failed() {
///         return Err("not rolled back");
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match fragile().outcome(async |_| -> Result<u32, fmt::Error> { Err(fmt::Error) }).await {
///     Outcome { body: Some(Err(fmt::Error)), context: Err(text), .. } => assert_eq!(text, "not rolled back"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome holds the errors of the body and of the context"]
#[non_exhaustive]
pub struct Outcome<R, B, E> {
    /// What the body returned, also an error that the context swallowed. `None` if the body didn't run (the setup failed), was ended by its context, or
    /// panicked and the context swallowed that.
    pub body: Option<Result<R, B>>,
    /// Whether the context swallowed the body's error or panic. Of contexts put together: also whether an outer one swallowed an inner one's.
    pub suppressed: bool,
    /// What the context's setup or teardown returned.
    pub context: Result<(), E>,
}

/// The end of a context whose frame is gone.
pub(crate) enum Ended<R, B, E> {
    /// The body came to a value, and nothing else happened.
    Well(R),
    Otherwise(Came<R, B, E>),
}

/// What a body and its context came to.
pub(crate) struct Came<R, B, E> {
    /// What the body came to; `None` if its context ended it.
    pub(crate) body: Option<thread::Result<Result<R, B>>>,
    pub(crate) suppressed: bool,
    /// What the context came to.
    pub(crate) context: thread::Result<Result<(), E>>,
}

impl<R, B: Debug + 'static, E> Ended<R, B, E> {
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn new(
        kept: Kept<R, B>,
        failed: Option<thread::Result<Result<(), E>>>,
        ending: Option<Ending>,
    ) -> Self {
        match kept {
            Some(Ok(value)) if is_well(&failed, &ending) => Ended::Well(value),
            kept => Ended::Otherwise(Came::new(kept, failed, ending)),
        }
    }
}

/// Whether nothing has failed, so that the body's value is the whole outcome.
#[inline]
pub(crate) fn is_well<F>(failed: &Option<F>, ending: &Option<Ending>) -> bool {
    failed.is_none() && !ending.as_ref().is_some_and(Ending::is_failure)
}

impl<R, B: Debug + 'static, E> Came<R, B, E> {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(
        kept: Kept<R, B>,
        failed: Option<thread::Result<Result<(), E>>>,
        ending: Option<Ending>,
    ) -> Self {
        Came {
            suppressed: ending.as_ref().is_some_and(Ending::is_suppressed),
            body: join(kept, ending),
            context: failed.unwrap_or(Ok(Ok(()))),
        }
    }
}

/// Makes what the caller gets of a context's end.
//
// It is called where the teardown is polled, so that no larger value is handed on from there.
pub(crate) trait Finish<R, B, K: Kind> {
    type Output;
    /// The body came to a value, and nothing else happened.
    fn well(value: R) -> Self::Output;
    fn otherwise(came: Came<R, B, K::Error>, entered: &Entered) -> Self::Output;
}

/// Makes also what the caller gets if the setup comes to no resource.
pub(crate) trait Refuse<R, B, K: Kind>: Finish<R, B, K> {
    fn refuse(not_entered: NotEntered<K::Error>, entered: &Entered) -> Self::Output;
}

/// The caller gets one outcome. The other one is reported, if it is a failure too.
pub(crate) enum AsResult {}

impl<R, B: Debug, K: RaiseAs<B>> Finish<R, B, K> for AsResult {
    type Output = Result<Out<K, R>, B>;

    #[inline]
    fn well(value: R) -> Self::Output {
        Ok(K::Suppression::value(value))
    }

    fn otherwise(came: Came<R, B, K::Error>, entered: &Entered) -> Self::Output {
        came.into_result::<K>(entered)
    }
}

impl<R, B: Debug, K: RaiseAs<B>> Refuse<R, B, K> for AsResult {
    fn refuse(not_entered: NotEntered<K::Error>, entered: &Entered) -> Self::Output {
        refused::<K, R, B>(not_entered, entered)
    }
}

/// The caller gets both outcomes.
pub(crate) enum AsOutcome {}

impl<R, B: Debug, K: Kind> Finish<R, B, K> for AsOutcome {
    type Output = Outcome<R, B, K::Error>;

    #[inline]
    fn well(value: R) -> Self::Output {
        Outcome {
            body: Some(Ok(value)),
            suppressed: false,
            context: Ok(()),
        }
    }

    fn otherwise(came: Came<R, B, K::Error>, entered: &Entered) -> Self::Output {
        came.into_outcome::<K>(entered)
    }
}

impl<R, B: Debug, K: Kind> Refuse<R, B, K> for AsOutcome {
    fn refuse(not_entered: NotEntered<K::Error>, _: &Entered) -> Self::Output {
        let (suppressed, context) = match not_entered {
            NotEntered::Failed(error) => (false, Err(error)),
            NotEntered::Skipped(_) => (true, Ok(())),
        };
        Outcome {
            body: None,
            suppressed,
            context,
        }
    }
}

/// The caller makes one of the others of it later.
pub(crate) enum AsItIs {}

impl<R, B, K: Kind> Finish<R, B, K> for AsItIs {
    type Output = Ended<R, B, K::Error>;

    #[inline]
    fn well(value: R) -> Self::Output {
        Ended::Well(value)
    }

    fn otherwise(came: Came<R, B, K::Error>, _: &Entered) -> Self::Output {
        Ended::Otherwise(came)
    }
}

impl<R, B: Debug, E: Debug> Ended<R, B, E> {
    /// The one outcome that the caller gets. The other one is reported, if it is a failure too.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn into_result<K>(self, entered: &Entered) -> Result<Out<K, R>, B>
    where
        K: Kind<Error = E> + RaiseAs<B>,
    {
        match self {
            Ended::Well(value) => <AsResult as Finish<R, B, K>>::well(value),
            Ended::Otherwise(came) => came.into_result::<K>(entered),
        }
    }

    /// Both outcomes. A panic goes on instead, and what else has failed is reported then.
    pub(crate) fn into_outcome<K>(self, entered: &Entered) -> Outcome<R, B, E>
    where
        K: Kind<Error = E>,
    {
        match self {
            Ended::Well(value) => <AsOutcome as Finish<R, B, K>>::well(value),
            Ended::Otherwise(came) => came.into_outcome::<K>(entered),
        }
    }
}

impl<R, B: Debug, E: Debug> Came<R, B, E> {
    #[cold]
    fn into_result<K>(self, entered: &Entered) -> Result<Out<K, R>, B>
    where
        K: Kind<Error = E> + RaiseAs<B>,
    {
        let Came {
            body,
            suppressed,
            context,
        } = self;
        let (body, context) = unwound(entered, body, suppressed, context);
        match (body, context) {
            // The body has a value, so what was swallowed is the failure of an inner context's teardown.
            (Some(Ok(Ok(_))), Ok(())) if suppressed => Ok(missing::<K, R>(entered.definition)),
            (Some(Ok(Ok(value))), Ok(())) => Ok(K::Suppression::value(value)),
            (None, Err(error)) => Err(K::raise(error)),
            (Some(Ok(Ok(value))), Err(error)) => {
                report::drop_quietly(entered, ExitKind::Completed, value);
                Err(K::raise(error))
            }
            (Some(swallowed), context) if suppressed => {
                report::drop_quietly(entered, ExitKind::Failed, swallowed);
                match context {
                    Err(error) => Err(K::raise(error)),
                    Ok(()) => Ok(missing::<K, R>(entered.definition)),
                }
            }
            (Some(Ok(Err(failed))), context) => {
                report_second(entered, ExitKind::Failed, context);
                Err(failed)
            }
            (Some(Err(payload)), context) => {
                report_second(entered, ExitKind::Panicked, context);
                resume_unwind(payload)
            }
            (None, Ok(())) => Ok(missing::<K, R>(entered.definition)),
        }
    }

    #[cold]
    fn into_outcome<K>(self, entered: &Entered) -> Outcome<R, B, E>
    where
        K: Kind<Error = E>,
    {
        let Came {
            body,
            suppressed,
            context,
        } = self;
        let (body, context) = unwound(entered, body, suppressed, context);
        let body = match body {
            Some(Ok(body)) => Some(body),
            Some(Err(_)) if suppressed => None,
            Some(Err(payload)) => {
                report_second(entered, ExitKind::Panicked, context);
                resume_unwind(payload)
            }
            None => {
                if context.is_ok() {
                    missing::<K, R>(entered.definition);
                }
                None
            }
        };
        Outcome {
            body,
            suppressed,
            context,
        }
    }
}

/// Resumes the panic of a context, if there is one: it reaches the caller, and the body's error is reported. If the body had panicked before, the caller gets that
/// panic, and the context's is reported. What the context has suppressed is neither returned nor reported.
fn unwound<R, B: Debug, E>(
    entered: &Entered,
    body: Option<thread::Result<Result<R, B>>>,
    suppressed: bool,
    context: thread::Result<Result<(), E>>,
) -> (Option<thread::Result<Result<R, B>>>, Result<(), E>) {
    let payload = match context {
        Ok(context) => return (body, context),
        Err(payload) => payload,
    };
    match body {
        Some(Err(first)) if !suppressed => {
            report::panicked(entered, ExitKind::Panicked, payload);
            resume_unwind(first)
        }
        Some(Ok(Err(error))) if !suppressed => {
            report::bodys_failure(entered, ExitKind::Failed, Failure::Error(&error));
            report::drop_quietly(entered, ExitKind::Failed, error);
            resume_unwind(payload)
        }
        rest => {
            report::drop_quietly(entered, ExitKind::Completed, rest);
            resume_unwind(payload)
        }
    }
}

fn report_second<E: Debug>(entered: &Entered, exit: ExitKind, context: Result<(), E>) {
    if let Err(error) = context {
        report::failed(entered, exit, error);
    }
}

/// What the caller gets if the setup has come to no resource.
pub(crate) fn refused<K: RaiseAs<B>, V, B>(
    not_entered: NotEntered<K::Error>,
    entered: &Entered,
) -> Result<Out<K, V>, B> {
    match not_entered {
        NotEntered::Failed(error) => Err(K::raise(error)),
        NotEntered::Skipped(_) => Ok(missing::<K, V>(entered.definition)),
    }
}

/// The outcome without a value: only a suppressing context may come to that. Panics for any other.
pub(crate) fn missing<K: Kind, R>(context: Definition) -> Out<K, R> {
    match K::Suppression::missing() {
        Some(missing) => missing,
        None => panic!(
            "{context} ended its body early and then returned successfully: return an error there, or declare it with `#[async_context(suppress)]`"
        ),
    }
}
