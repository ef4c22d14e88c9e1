//! Polling a body: its panics are caught, and are its outcome.

use crate::{
    background::Entered,
    cold::{Clear, Twice, unwound},
    frame::Payload,
    report,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

/// A place in which a body's future is pinned, if there is one.
pub(crate) trait InPlace: Clear {
    type Fut: Future;
    fn in_place(&mut self) -> Option<Pin<&mut Self::Fut>>;
}

impl<Fut: Future> InPlace for Pin<&mut Option<Fut>> {
    type Fut = Fut;

    #[inline]
    fn in_place(&mut self) -> Option<Pin<&mut Fut>> {
        self.as_mut().as_pin_mut()
    }
}

/// Calls `start`, polls the future that is in the place then, and drops it at its end. Catches the panics of all of these.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(crate) fn poll_caught<P: InPlace>(
    place: &mut P,
    start: impl FnOnce(&mut P),
    cx: &mut Context<'_>,
) -> Poll<thread::Result<<P::Fut as Future>::Output>> {
    // Outside of the closure, so that a panic of the future's destructor doesn't drop it: a second panic from there would abort the process.
    let mut output = None;
    let polled = catch_unwind(AssertUnwindSafe(|| {
        start(place);
        let Some(future) = place.in_place() else {
            return;
        };
        if let Poll::Ready(returned) = future.poll(cx) {
            output = Some(returned);
            // At once, before the resource moves: the destructor of a future that is over may still use it.
            place.clear();
        }
    }));
    match polled {
        Ok(()) => output.map_or(Poll::Pending, |output| Poll::Ready(Ok(output))),
        Err(payload) => {
            let payload = unwound(&mut output, payload);
            Poll::Ready(Err(unwound(place, payload)))
        }
    }
}

/// The panic that goes to the caller. If there is a second one, it is reported.
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
