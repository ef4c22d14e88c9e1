//! Running a resumed frame to its end, and getting the body's outcome back from it.

use crate::{
    AsyncContext, ExitKind,
    background::Entered,
    cold::{catch, until_quiet},
    frame::{Ending, Payload},
    kind::Kind,
    report,
};
use std::{
    any::Any,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

/// What a context's teardown came to: what it returned, or its panic.
pub(crate) type Torn<C> = thread::Result<Result<(), <<C as AsyncContext>::Kind as Kind>::Error>>;

/// Runs a teardown, and drops what is left of the frame after it. What it has come to is put into `failed`, unless all is well. The lane is up to the
/// caller, who knows the context's style.
//
// Apart from what is returned, which is one word so: a larger one would be written in parts and copied as a whole, which has to wait for the parts.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn poll<C: AsyncContext + ?Sized>(
    mut frame: Pin<&mut C>,
    entered: &Entered,
    failed: &mut Option<Torn<C>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Ending>> {
    let mut torn = None;
    let finished = catch_unwind(AssertUnwindSafe(|| {
        torn = Some(ready!(frame.as_mut().poll_teardown(cx)));
        Poll::Ready(frame.as_mut().finish())
    }));
    let (torn, ending) = match (finished, torn) {
        (Ok(Poll::Ready(ending)), Some(Ok(()))) => return Poll::Ready(ending),
        (Ok(Poll::Ready(ending)), Some(torn)) => (Ok(torn), ending),
        (Ok(_), _) => return Poll::Pending,
        (Err(payload), None) => finish_late(frame, entered, Err(payload)),
        (Err(payload), Some(torn)) => finished_anyway(frame, entered, Ok(torn), payload),
    };
    *failed = Some(torn);
    Poll::Ready(ending)
}

/// Drops what is left of a frame whose context has come to `torn` before its time.
#[cold]
pub(crate) fn finish_late<C: AsyncContext + ?Sized>(
    mut frame: Pin<&mut C>,
    entered: &Entered,
    torn: Torn<C>,
) -> (Torn<C>, Option<Ending>) {
    let _lane = entered.in_frame();
    let mut ending = None;
    match catch(&mut || ending = frame.as_mut().finish()) {
        Ok(()) => (torn, ending),
        Err(payload) => finished_anyway(frame, entered, torn, payload),
    }
}

/// A destructor in the frame has panicked. What it belongs to is gone nevertheless; what is left behind can be had.
#[cold]
fn finished_anyway<C: AsyncContext + ?Sized>(
    mut frame: Pin<&mut C>,
    entered: &Entered,
    torn: Torn<C>,
    payload: Payload,
) -> (Torn<C>, Option<Ending>) {
    let ending = finish_quietly(&mut || frame.as_mut().finish(), &mut |another| {
        report::panicked(entered, ExitKind::Cancelled, another);
    });
    let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
    (first_panic(entered, exit, torn, payload), ending)
}

/// Drops what is left of a frame, in as many calls as that takes.
#[cold]
pub(crate) fn finish_quietly(
    finish: &mut dyn FnMut() -> Option<Ending>,
    panicked: &mut dyn FnMut(Payload),
) -> Option<Ending> {
    let mut ending = None;
    until_quiet(&mut || ending = finish(), panicked);
    ending
}

/// Drops what is left of a frame whose caller is gone, and reports the failure of its body, which nobody gets. Comes back with the first panic of a destructor.
#[cold]
pub(crate) fn finish_alone(
    entered: &Entered,
    finish: &mut dyn FnMut() -> Option<Ending>,
) -> thread::Result<()> {
    finish_after(Ok(()), entered, finish)
}

/// The same, after what may have panicked already.
#[cold]
pub(crate) fn finish_after(
    mut finished: thread::Result<()>,
    entered: &Entered,
    finish: &mut dyn FnMut() -> Option<Ending>,
) -> thread::Result<()> {
    let ending = finish_quietly(finish, &mut |payload| match finished {
        Ok(()) => finished = Err(payload),
        Err(_) => report::panicked(entered, ExitKind::Cancelled, payload),
    });
    if let Some(ending) = ending {
        report::unreturned(entered, ending);
    }
    finished
}

/// A context's destructor panicked after its teardown had come to `torn`.
fn first_panic<E: Debug>(
    entered: &Entered,
    exit: ExitKind,
    torn: thread::Result<Result<(), E>>,
    payload: Payload,
) -> thread::Result<Result<(), E>> {
    match torn {
        Ok(Ok(())) => Err(payload),
        Ok(Err(error)) => {
            report::failed(entered, exit, error);
            Err(payload)
        }
        Err(first) => {
            report::panicked(entered, exit, payload);
            Err(first)
        }
    }
}

/// How a body's error is kept for the teardown to see: boxed, or as a text while the error itself stays here.
pub(crate) type Keep<B> = fn(B) -> (Ending, Option<B>);

/// Keeps an error that can go to the background with its frame.
pub(crate) fn keep_error<B: Debug + Send + 'static>(error: B) -> (Ending, Option<B>) {
    (Ending::failed(error), None)
}

/// Keeps an error that has to stay on its thread.
pub(crate) fn keep_text<B: Debug>(error: B) -> (Ending, Option<B>) {
    // Inside the yield point: what unwinds from here would take the context's teardown with it.
    (Ending::failed_as(text_of(&error)), Some(error))
}

/// An error's text, whatever its `Debug` does.
pub(crate) fn text_of(error: &dyn Debug) -> String {
    catch_unwind(AssertUnwindSafe(|| format!("{error:?}"))).unwrap_or_else(|payload| {
        report::discard(payload);
        String::from("an error whose Debug panics")
    })
}

/// What of a body's outcome isn't in its [`Ending`]: its value, or an error that stays here.
pub(crate) type Kept<V, B> = Option<Result<V, B>>;

/// Takes a body's outcome apart, into what the teardown is told and the rest.
#[inline]
pub(crate) fn split<V, B>(
    body: thread::Result<Result<V, B>>,
    keep: Keep<B>,
) -> (Ending, Kept<V, B>) {
    match body {
        Ok(Ok(value)) => (Ending::completed(), Some(Ok(value))),
        Ok(Err(error)) => {
            let (ending, kept) = keep(error);
            (ending, kept.map(Err))
        }
        Err(payload) => (Ending::panicked(payload), None),
    }
}

/// Puts it together again.
pub(crate) fn join<V, B: Any>(
    kept: Kept<V, B>,
    ending: Option<Ending>,
) -> Option<thread::Result<Result<V, B>>> {
    match kept {
        Some(kept) => Some(Ok(kept)),
        None => match ending?.into_error() {
            Ok(error) => Some(Ok(Err(error))),
            Err(ending) => ending.into_panic().map(Err),
        },
    }
}
