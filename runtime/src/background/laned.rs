//! A future with a lane of its own.

use super::{
    heirs,
    lane::{InBranch, Lane, Number, next_number},
};
use crate::{
    cold::{catch, clear},
    report,
};
use std::{
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A future that is polled and dropped in a lane of its own. As soon as it is over, it is dropped, whoever still has this: so its rollbacks have begun when they are
/// waited for.
pub(super) struct Laned<F>(Option<Inside<F>>);

struct Inside<F> {
    future: Option<Pin<Box<F>>>,
    // Dropped last, also when the future's destructor panics.
    lane: OwnLane,
}

impl<F> Laned<F> {
    /// The lane around it is the current one.
    pub(super) fn new(future: F) -> Self {
        let (around, root) = Lane::current_in_root();
        Laned(Some(Inside {
            future: Some(Box::pin(future)),
            lane: OwnLane {
                made: next_number(),
                begun: None,
                around,
                root,
            },
        }))
    }
}

/// A branch's lane, with the lanes to which it leaves its pending rollbacks.
struct OwnLane {
    made: Number,
    /// `None` before the first poll.
    begun: Option<Begun>,
    /// The lane that it was made in.
    around: Lane,
    /// The root of that lane.
    root: Lane,
}

/// How a branch began. It is numbered then, like a context that is entered at that moment.
struct Begun {
    number: Number,
    /// Whether it began in another task than it was made in, or in a rollback. Then a context that ends it, such as a group of tasks, may have been rolled back in
    /// between: so it counts also as entered when it was made.
    apart: bool,
}

impl OwnLane {
    fn begin(&mut self) {
        self.begun.get_or_insert_with(|| Begun {
            number: next_number(),
            apart: Lane::root() != self.root,
        });
    }

    fn lane(&self) -> Lane {
        Lane::branch(self.made)
    }

    fn enter(&self) -> InBranch {
        self.lane().enter_branch()
    }
}

impl Drop for OwnLane {
    fn drop(&mut self) {
        let Some(Begun { number, apart }) = self.begun else {
            return;
        };
        let lane = self.lane();
        for lane in [lane, lane.left()] {
            for number in apart.then_some(self.made).into_iter().chain([number]) {
                heirs::leave_owned(lane, number, self.around, self.root);
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
        if let Err(payload) = catch(&mut || self.0 = None) {
            // Dropped on its own: a panic of its destructor, while this one unwinds, would abort the process.
            if let Err(second) = clear(&mut Some(output)) {
                report::discard(second);
            }
            resume_unwind(payload);
        }
        Poll::Ready(output)
    }
}

impl<F: Future> Inside<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.lane.begin();
        let _here = self.lane.enter();
        match &mut self.future {
            Some(future) => future.as_mut().poll(cx),
            None => unreachable!("it is there until this is dropped"),
        }
    }
}

impl<F> Drop for Inside<F> {
    fn drop(&mut self) {
        let _here = self.lane.begun.as_ref().map(|_| self.lane.enter());
        self.future = None;
    }
}
