//! Polling a body, whose panics are its outcome.

use crate::{
    background::Entered,
    cold::{Clear, clear},
    frame::Payload,
    report,
};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

/// Polls a body's future to its end and drops it, catching its panics.
#[inline]
pub(crate) fn poll_caught<Fut: Future>(
    mut body: Pin<&mut Option<Fut>>,
    cx: &mut Context<'_>,
) -> Poll<thread::Result<Fut::Output>> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let Some(future) = body.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let polled = future.poll(cx);
        if polled.is_ready() {
            // Before the resource moves: a future that is over may still use it in its destructor.
            body.set(None);
        }
        polled
    }));
    match polled {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(unwound(&mut body, payload))),
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

/// `poll_caught` as a future.
pub async fn caught<Fut: Future>(mut body: Pin<&mut Option<Fut>>) -> thread::Result<Fut::Output> {
    poll_fn(|cx| poll_caught(body.as_mut(), cx)).await
}
