//! A future with a lane of its own.

use super::{
    lane::{InBranch, Lane, Number, next_number},
    ticket,
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A future that is polled and dropped in a lane of its own; it is dropped when it is over, so that nobody has to do so before its rollbacks are waited for.
pub(super) struct Laned<F>(Option<Inside<F>>);

struct Inside<F> {
    future: Option<Pin<Box<F>>>,
    // Dropped last, also when the future's destructor panics.
    lane: OwnLane,
}

impl<F> Laned<F> {
    /// It is around whatever this is called in.
    pub(super) fn new(future: F) -> Self {
        let (around, root) = Lane::current_in_root();
        Laned(Some(Inside {
            future: Some(Box::pin(future)),
            lane: OwnLane {
                made: next_number(),
                began: None,
                around,
                root,
            },
        }))
    }
}

/// A lane, and what is around it, to which it leaves its pending rollbacks.
struct OwnLane {
    /// Numbered when it is made, like the contexts that this happens between: if they are rolled back before it begins, and end it then, it is below them.
    made: Number,
    /// And when it is first polled, which may be after others were entered that it uses.
    began: Option<Number>,
    /// The lane that it was made in.
    around: Lane,
    /// What all of these are in.
    root: Lane,
}

impl OwnLane {
    fn lane(&self) -> Lane {
        Lane::branch(self.made)
    }

    fn enter(&self) -> InBranch {
        self.lane().enter_branch()
    }
}

impl Drop for OwnLane {
    fn drop(&mut self) {
        let lane = self.lane();
        for lane in [lane, lane.left()] {
            for number in [Some(self.made), self.began].into_iter().flatten() {
                ticket::leave_owned(lane, number, self.around, self.root);
            }
        }
    }
}

impl<F: Future> Future for Laned<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(inside) = &mut self.0 else {
            panic!("`background::lane` was polled after its end");
        };
        let output = ready!(inside.poll(cx));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<F: Future> Inside<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.lane.began.get_or_insert_with(next_number);
        let _here = self.lane.enter();
        match &mut self.future {
            Some(future) => future.as_mut().poll(cx),
            None => unreachable!("it is there until this is dropped"),
        }
    }
}

impl<F> Drop for Inside<F> {
    fn drop(&mut self) {
        let _here = self.lane.began.map(|_| self.lane.enter());
        self.future = None;
    }
}
