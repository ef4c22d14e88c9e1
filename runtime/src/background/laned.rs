//! A future with a lane of its own.

use super::{
    lane::{InBranch, Lane, Number, next_number},
    ticket,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A future that is polled and dropped in a lane of its own.
pub(super) struct Laned<F> {
    future: Option<Pin<Box<F>>>,
    // Dropped last, also when the future's destructor panics.
    lane: Option<OwnLane>,
    /// The lane that it was made in.
    around: Lane,
    /// What that is in.
    root: Lane,
}

impl<F> Laned<F> {
    /// It is around whatever this is called in.
    pub(super) fn new(future: F) -> Self {
        let (around, root) = Lane::current_in_root();
        Laned {
            future: Some(Box::pin(future)),
            lane: None,
            around,
            root,
        }
    }
}

/// A lane, and what is around it, to which it leaves its pending rollbacks.
struct OwnLane {
    number: Number,
    around: Lane,
    /// What all of these are in.
    root: Lane,
}

impl OwnLane {
    fn enter(&self) -> InBranch {
        Lane::branch(self.number).enter_branch()
    }
}

impl Drop for OwnLane {
    fn drop(&mut self) {
        let lane = Lane::branch(self.number);
        for lane in [lane, lane.left()] {
            ticket::leave_owned(lane, self.number, self.around, self.root);
        }
    }
}

impl<F: Future> Future for Laned<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Numbered when it is first polled, like the contexts that it is entered between.
        let lane = this.lane.get_or_insert_with(|| OwnLane {
            number: next_number(),
            around: this.around,
            root: this.root,
        });
        let _here = lane.enter();
        match &mut this.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Laned<F> {
    fn drop(&mut self) {
        let _here = self.lane.as_ref().map(OwnLane::enter);
        self.future = None;
    }
}
