//! Polling a body, whose panics are its outcome.

use crate::{
    background::Entered,
    cold::{Twice, unwound},
    frame::Payload,
    report,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

/// Polls a body's future to its end and drops it, catching its panics.
pub fn caught<Fut: Future>(place: Pin<&mut Option<Fut>>) -> Caught<'_, Fut> {
    Caught { place }
}

/// The future of [`caught`].
pub struct Caught<'p, Fut> {
    place: Pin<&'p mut Option<Fut>>,
}

impl<Fut: Future> Future for Caught<'_, Fut> {
    type Output = thread::Result<Fut::Output>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let place = &mut self.place;
        let polled = catch_unwind(AssertUnwindSafe(|| {
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
