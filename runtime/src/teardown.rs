//! Running a resumed frame to its end, and getting the body's outcome back from it.

use crate::{
    AsyncContext, ExitKind,
    background::Entered,
    cold::{catch, until_quiet},
    frame::{Ending, ErrorOf, Payload},
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
pub(crate) type Torn<C> = thread::Result<Result<(), ErrorOf<C>>>;

/// Runs a teardown, and drops what is left of the frame after it. What the teardown has come to is put into `failed`, unless all is well. The caller, who knows the
/// context's style, has entered the right lane.
//
// `failed` isn't returned, so that what is returned is one word: something larger would be written in parts and copied as a whole, and the copy would have to wait
// for the parts.
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

/// Drops what is left of a frame whose context has ended early, with `torn`.
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

/// A destructor in the frame has panicked, with `payload`. What it belongs to is gone all the same. Drops the rest of the frame, and takes the ending out of it.
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

/// Drops what is left of a frame. Each panic of a destructor ends one call of `finish`, so this calls it until one returns.
#[cold]
pub(crate) fn finish_quietly(
    finish: &mut dyn FnMut() -> Option<Ending>,
    panicked: &mut dyn FnMut(Payload),
) -> Option<Ending> {
    let mut ending = None;
    until_quiet(&mut || ending = finish(), panicked);
    ending
}

/// Drops what is left of a frame whose caller is gone, and reports the failure of its body, which nobody gets. Returns the first panic of a destructor; further ones
/// are reported.
#[cold]
pub(crate) fn finish_alone(
    entered: &Entered,
    finish: &mut dyn FnMut() -> Option<Ending>,
) -> thread::Result<()> {
    finish_after(Ok(()), entered, finish)
}

/// [`finish_alone`], after something that may have panicked already: `finished` says how that went.
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

/// A destructor of the context has panicked, with `payload`, after the teardown had come to `torn`. Returns the first panic, and reports everything else.
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

/// How a body's error is made an [`Ending`] for the teardown to see: with the error in it, or with its text, while the error itself is returned beside it.
pub(crate) type Keep<B> = fn(B) -> (Ending, Option<B>);

/// Keeps an error that can go to the background with its frame.
pub(crate) fn keep_error<B: Debug + Send + 'static>(error: B) -> (Ending, Option<B>) {
    (Ending::failed(error), None)
}

/// Keeps an error that has to stay on its thread.
pub(crate) fn keep_text<B: Debug>(error: B) -> (Ending, Option<B>) {
    // `text_of` catches the panics of `Debug`. This may run inside the yield point, and a panic from here would unwind the context, and end it without a teardown.
    (Ending::failed_as(text_of(&error)), Some(error))
}

/// An error's text, whatever its `Debug` does.
pub(crate) fn text_of(error: &dyn Debug) -> String {
    catch_unwind(AssertUnwindSafe(|| format!("{error:?}"))).unwrap_or_else(|payload| {
        report::discard(payload);
        String::from("an error whose Debug panics")
    })
}

/// The part of a body's outcome that isn't in its [`Ending`]: its value, or an error of which the ending has only the text.
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

/// Puts what [`split`] has taken apart together again.
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
