//! Waiting, before a context's teardown, for the rollbacks below it.

use super::{
    Entered,
    below::{Below, Waiting},
    in_rollback::InRollback,
    lane::Number,
    places::Visit,
    table,
};
use crate::cold::Seldom;
use std::task::{Context, Poll, ready};

/// Waits for the rollbacks started below a context, before its teardown begins. Where none is pending anywhere, that is one atomic load.
pub(crate) struct Settling(Seldom<Unsettled>);

/// What has to be over first, and, of a rollback, the places in the lane that it visits.
#[derive(Default)]
pub(crate) struct Unsettled {
    waiting: Option<Waiting>,
    visit: Option<Visit>,
}

impl Settling {
    #[inline]
    pub(crate) fn new() -> Self {
        Settling(Seldom::none())
    }

    /// Goes on where another one has left off.
    pub(crate) fn again(unsettled: Option<Box<Unsettled>>) -> Self {
        Settling(Seldom::new(unsettled))
    }

    /// What it waits for, if it does: for [`again`](Settling::again).
    pub(crate) fn into_unsettled(mut self) -> Option<Box<Unsettled>> {
        self.0.take()
    }

    #[inline]
    pub(crate) fn poll(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        if table::any_pending() {
            self.poll_pending(entered, cx)
        } else {
            Poll::Ready(())
        }
    }

    #[cold]
    fn poll_pending(&mut self, entered: &Entered, cx: &mut Context<'_>) -> Poll<()> {
        let floor = InRollback::floor();
        self.poll_for(|| entered.below(), floor, cx)
    }

    /// Waits for the rollbacks that `below` returns. It is called once, where the waiting begins.
    pub(super) fn poll_for(
        &mut self,
        below: impl FnOnce() -> Below,
        floor: Number,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let unsettled = self.0.get_mut();
        let waiting = match unsettled.and_then(|unsettled| unsettled.waiting.as_mut()) {
            Some(waiting) => waiting,
            None => {
                let below = below();
                if !below.is_any_pending(floor) {
                    return Poll::Ready(());
                }
                self.0.get_or_default().waiting.insert(below.into())
            }
        };
        ready!(waiting.poll_above(cx, floor));
        self.stop_waiting();
        Poll::Ready(())
    }

    #[inline]
    pub(super) fn stop_waiting(&mut self) {
        if let Some(unsettled) = self.0.get_mut() {
            unsettled.waiting = None;
        }
    }

    #[cold]
    pub(super) fn begin_visit(&mut self, visit: Visit) {
        self.0.get_or_default().visit = Some(visit);
    }

    #[inline]
    pub(super) fn visit(&self) -> Option<&Visit> {
        self.0.get()?.visit.as_ref()
    }

    #[inline]
    pub(super) fn end_visit(&mut self) {
        if let Some(unsettled) = self.0.get_mut() {
            unsettled.visit = None;
        }
    }
}
