//! A teardown that nobody awaits, as a future for some executor to run.

use super::{
    Entered, RuntimeId,
    lane::{Settled, Ticket},
};
use crate::{
    AsyncContext, ExitKind,
    frame::Ending,
    report::{self, Failure},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// The teardown of a context whose guard or `with` future was dropped: a future that runs it to its end.
///
/// A [policy](crate::policy::Policy) gets this to run. It waits for the rollbacks started below it, runs the teardown, which sees
/// [`Cancelled`](crate::Exit::Cancelled) or the exit that it had already seen, and [reports](crate::report) its failure or panic: it returns
/// nothing and never panics. Dropped before its end, it drops the frame and reports that the teardown was lost.
#[must_use = "a rollback does nothing unless it is run"]
pub struct Rollback<C: AsyncContext> {
    frame: Pin<Box<C>>,
    entered: Entered,
    exit: ExitKind,
    // Its drop lets outer rollbacks go on: the last thing that happens.
    ticket: Option<Ticket>,
    stage: Stage,
    lost_because: &'static str,
}

enum Stage {
    /// The setup isn't over; its resource goes straight to the teardown.
    Setup,
    Waiting(Settled),
    Teardown,
    Over,
}

impl<C: AsyncContext> Rollback<C> {
    pub(crate) fn new(frame: Pin<Box<C>>, entered: Entered, exit: ExitKind) -> Self {
        Rollback::at(frame, entered, exit, Stage::Waiting(entered.settled()))
    }

    fn at(frame: Pin<Box<C>>, entered: Entered, exit: ExitKind, stage: Stage) -> Self {
        Rollback {
            frame,
            ticket: Some(entered.ticket(None)),
            entered,
            exit,
            stage,
            lost_because: "its rollback was dropped: the runtime was shut down",
        }
    }

    /// Says on which runtime the rollback runs, for [`drain`](super::drain).
    pub(crate) fn runs_on(&self, runtime: RuntimeId) {
        if let Some(ticket) = &self.ticket {
            ticket.set_runtime(runtime);
        }
    }

    /// Drops the frame without running its teardown, and reports why.
    pub fn lose(mut self, because: &'static str) {
        self.lost_because = because;
    }

    /// Drops the frame without running its teardown: only the destructors of its locals run. Nothing is reported.
    pub fn discard(mut self) {
        self.end();
    }

    /// One step; `Ok` once the teardown is over.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ErrorOf<C>>> {
        loop {
            match &mut self.stage {
                Stage::Setup => match self.frame.as_mut().poll_setup(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(resource)) => {
                        self.frame.as_mut().resume(resource, Ending::cancelled());
                        self.stage = Stage::Waiting(self.entered.settled());
                    }
                },
                Stage::Waiting(settled) => {
                    if settled.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.stage = Stage::Teardown;
                }
                Stage::Teardown => return self.frame.as_mut().poll_teardown(cx),
                Stage::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Drops what is left of the frame.
    fn end(&mut self) {
        self.stage = Stage::Over;
        let frame = &mut self.frame;
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(frame.as_mut().finish())));
        if let Err(payload) = dropped {
            report::failure(&self.entered, self.exit, Failure::Panic(&*payload));
            report::discard(payload);
        }
        self.ticket = None;
    }
}

type ErrorOf<C> = <<C as AsyncContext>::Kind as crate::kind::Kind>::Error;

// The frame is boxed; nothing else is pinned.
impl<C: AsyncContext> Unpin for Rollback<C> {}

impl<C: AsyncContext> Future for Rollback<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if matches!(this.stage, Stage::Over) {
            return Poll::Ready(());
        }
        let entered = this.entered;
        let _lane = entered.in_lane();
        match catch_unwind(AssertUnwindSafe(|| this.step(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => {}
            Ok(Poll::Ready(Err(error))) => {
                report::failure(&entered, this.exit, Failure::Error(&error));
                let dropped = catch_unwind(AssertUnwindSafe(|| drop(error)));
                if let Err(payload) = dropped {
                    report::failure(&entered, this.exit, Failure::Panic(&*payload));
                    report::discard(payload);
                }
            }
            Err(payload) => {
                report::failure(&entered, this.exit, Failure::Panic(&*payload));
                report::discard(payload);
            }
        }
        this.end();
        Poll::Ready(())
    }
}

impl<C: AsyncContext> Drop for Rollback<C> {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        let entered = self.entered;
        let _lane = entered.in_lane();
        report::failure(&entered, self.exit, Failure::Lost(self.lost_because));
        self.end();
    }
}

/// A setup whose future was dropped before it came to its yield point.
#[doc(hidden)]
pub struct Interrupted<C: AsyncContext> {
    frame: Pin<Box<C>>,
    entered: Entered,
}

impl<C: AsyncContext> Interrupted<C> {
    pub(crate) fn new(frame: Pin<Box<C>>, entered: Entered) -> Self {
        Interrupted { frame, entered }
    }

    /// A rollback that runs the setup to its yield point first.
    pub(crate) fn finish_then_roll_back(self) -> Rollback<C> {
        Rollback::at(self.frame, self.entered, ExitKind::Cancelled, Stage::Setup)
    }
}
