//! Polling a body, whose panics are its outcome.

use crate::{
    background::Entered,
    cold::{Clear, clear},
    frame::Payload,
    report,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

/// Calls a body, which may be a function that does something before it returns its future, and polls that in `place` to its end and drops it; catches
/// the panics of all of these.
//
// A future that was handed on from here would keep room for itself where it came through.
#[inline]
pub(crate) fn called<Fut, F>(body: F, place: Pin<&mut Option<Fut>>) -> Caught<'_, Fut, F>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    Caught {
        body: Some(body),
        place,
    }
}

/// Polls a body's future to its end and drops it, catching its panics.
pub fn caught<Fut: Future>(place: Pin<&mut Option<Fut>>) -> Caught<'_, Fut> {
    Caught { body: None, place }
}

/// The future of [`caught`].
pub struct Caught<'p, Fut, F = fn() -> Fut> {
    body: Option<F>,
    place: Pin<&'p mut Option<Fut>>,
}

// What is pinned is in its place.
impl<Fut, F> Unpin for Caught<'_, Fut, F> {}

impl<Fut: Future, F: FnOnce() -> Fut> Future for Caught<'_, Fut, F> {
    type Output = thread::Result<Fut::Output>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Caught { body, place } = &mut *self;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if place.is_none() {
                let body = body.take();
                place.set(body.map(|body| body()));
            }
            let Some(future) = place.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            let polled = future.poll(cx);
            if polled.is_ready() {
                // Before the resource moves: a future that is over may still use it in its destructor.
                place.set(None);
            }
            polled
        }));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(unwound(place, payload))),
        }
    }
}

/// Drops a body that has unwound.
#[cold]
fn unwound(body: &mut dyn Clear, payload: Payload) -> Payload {
    match clear(body) {
        Ok(()) => payload,
        Err(second) => Box::new(Twice {
            first: payload,
            second,
        }),
    }
}

/// A body that panicked, and again while it was dropped: for its session, which knows what to report.
struct Twice {
    first: Payload,
    second: Payload,
}

/// The panic that goes to the caller. A second one is reported.
#[cold]
pub(super) fn first_of(entered: &Entered, payload: Payload) -> Payload {
    match payload.downcast::<Twice>() {
        Ok(twice) => {
            report::second_panic(entered, twice.second);
            twice.first
        }
        Err(payload) => payload,
    }
}
