//! A teardown that nobody awaits, as a future for some executor to run.

use super::{
    Entered, RuntimeId,
    entered::{Below, Places},
    lane::Settled,
};
use crate::{
    AsyncContext, ExitKind,
    frame::{Ending, Held, NotEntered},
    report::{self, Failure},
    trace::Around,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The teardown of a context whose guard or `with` future was dropped: a future that runs it to its end.
///
/// A [policy](crate::policy::Policy) gets this to run. It waits for the rollbacks started below it, runs the teardown, which sees
/// [`Cancelled`](crate::Exit::Cancelled) or the exit that it had already seen, and [reports](crate::report) its failure or panic: it returns
/// nothing and never panics. Dropped before its end, it drops the frame and reports that the teardown was lost.
#[must_use = "a rollback does nothing unless it is run"]
pub struct Rollback<C: AsyncContext> {
    frame: Held<C>,
    entered: Entered,
    exit: ExitKind,
    around: Around,
    // Given up last, which lets outer rollbacks go on.
    places: Places,
    stage: Stage,
}

enum Stage {
    /// The setup isn't over; its resource goes straight to the teardown.
    Setup,
    /// The teardown hasn't begun: there may be something to wait for.
    Looking,
    /// There is.
    Waiting(Box<Below>),
    Teardown,
    /// The frame is gone; what it has left to the background in its own rollback is not.
    Parts(Option<Box<Settled>>),
    Over,
}

impl<C: AsyncContext> Rollback<C> {
    /// A rollback of a context whose teardown hasn't begun.
    pub(crate) fn new(
        frame: Held<C>,
        entered: Entered,
        exit: ExitKind,
        runtime: RuntimeId,
    ) -> Self {
        Rollback::at(frame, entered, exit, runtime, |waits| match waits {
            true => Stage::Looking,
            false => Stage::Teardown,
        })
    }

    /// The rest of a teardown.
    pub(crate) fn rest(
        frame: Held<C>,
        entered: Entered,
        exit: ExitKind,
        runtime: RuntimeId,
    ) -> Self {
        // It doesn't wait for what it has started itself.
        Rollback::at(frame, entered, exit, runtime, |_| Stage::Teardown)
    }

    fn at(
        mut frame: Held<C>,
        entered: Entered,
        exit: ExitKind,
        runtime: RuntimeId,
        stage: impl FnOnce(bool) -> Stage,
    ) -> Self {
        let (places, waits) = Places::take(&entered, runtime);
        Rollback {
            around: frame.as_mut().around(),
            frame,
            places,
            entered,
            exit,
            stage: stage(waits),
        }
    }

    /// Drops the frame without running its teardown, and reports why.
    pub fn lose(mut self, because: &'static str) {
        self.be_lost(because);
    }

    /// Drops the frame without running its teardown: only the destructors of its locals run. Nothing is reported.
    pub fn discard(mut self) {
        self.drop_frame();
        self.leave();
    }

    /// One step; `Ok` once the teardown is over.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ErrorOf<C>>> {
        loop {
            match &mut self.stage {
                Stage::Setup => {
                    let resource = match ready!(self.frame.as_mut().poll_setup(cx)) {
                        Ok(resource) => resource,
                        Err(NotEntered::Failed(error)) => return Poll::Ready(Err(error)),
                        Err(NotEntered::Skipped(_)) => return Poll::Ready(Ok(())),
                    };
                    self.frame.as_mut().resume(resource, Ending::cancelled());
                    let below = self.places.below(&self.entered);
                    self.stage = Stage::Waiting(Box::new(below.and_parts(&self.entered)));
                }
                Stage::Looking => {
                    self.stage = match self.places.pending_below(&self.entered) {
                        Some(below) => Stage::Waiting(Box::new(below)),
                        None => Stage::Teardown,
                    };
                }
                Stage::Waiting(below) => {
                    ready!(below.poll(cx));
                    self.stage = Stage::Teardown;
                }
                Stage::Teardown => return self.frame.as_mut().poll_teardown(cx),
                Stage::Parts(_) | Stage::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Ends before its end.
    fn be_lost(&mut self, because: &'static str) {
        match self.stage {
            Stage::Over => return,
            Stage::Parts(_) => {}
            Stage::Setup | Stage::Looking | Stage::Waiting(_) | Stage::Teardown => {
                let _lane = self.entered.frame_lane().enter();
                let around = self.around.clone();
                let _span = around.enter();
                report::failure(&self.entered, self.exit, Failure::Lost(because));
                self.drop_frame();
            }
        }
        self.leave();
    }

    /// Drops what is left of the frame.
    fn drop_frame(&mut self) {
        self.stage = Stage::Parts(None);
        let frame = &mut self.frame;
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(frame.as_mut().finish())));
        if let Err(payload) = dropped {
            report::failure(&self.entered, self.exit, Failure::Panic(&*payload));
            report::discard(payload);
        }
    }

    /// Ends without waiting for anything more.
    fn leave(&mut self) {
        self.stage = Stage::Over;
        self.entered.leave_all();
        self.places.leave(&self.entered);
    }
}

type ErrorOf<C> = <<C as AsyncContext>::Kind as crate::kind::Kind>::Error;

// The frame is boxed; nothing else is pinned.
impl<C: AsyncContext> Unpin for Rollback<C> {}

impl<C: AsyncContext> Future for Rollback<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let entered = this.entered;
        let _lane = entered.frame_lane().enter();
        let _rollback = this.places.rollback(&entered).enter();
        let around = this.around.clone();
        let _span = around.enter();
        if !matches!(this.stage, Stage::Parts(_) | Stage::Over) {
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
            this.drop_frame();
        }
        // What it has dropped comes before what is around it.
        if let Stage::Parts(parts) = &mut this.stage {
            while !this.places.give_up(&entered) {
                let parts = parts.get_or_insert_with(|| Box::new(entered.parts()));
                ready!(parts.poll(cx, 0));
            }
            this.stage = Stage::Over;
        }
        Poll::Ready(())
    }
}

impl<C: AsyncContext> Drop for Rollback<C> {
    fn drop(&mut self) {
        self.be_lost("its rollback was dropped: the runtime was shut down");
    }
}

/// A frame whose caller is gone after its setup.
#[doc(hidden)]
pub struct Abandonment<C> {
    pub(crate) frame: Held<C>,
    pub(crate) entered: Entered,
    pub(crate) exit: ExitKind,
    /// Whether the teardown has begun.
    pub(crate) begun: bool,
}

impl<C: AsyncContext> Abandonment<C> {
    pub(crate) fn into_rollback(self, runtime: RuntimeId) -> Rollback<C> {
        match self.begun {
            true => Rollback::rest(self.frame, self.entered, self.exit, runtime),
            false => Rollback::new(self.frame, self.entered, self.exit, runtime),
        }
    }
}

/// A setup whose future was dropped before it came to its yield point.
#[doc(hidden)]
pub struct Interrupted<C: AsyncContext> {
    frame: Held<C>,
    entered: Entered,
}

impl<C: AsyncContext> Interrupted<C> {
    pub(crate) fn new(frame: Held<C>, entered: Entered) -> Self {
        Interrupted { frame, entered }
    }

    pub(crate) fn into_parts(self) -> (Held<C>, Entered) {
        (self.frame, self.entered)
    }

    /// Drops what hasn't been set up. What has been is to be rolled back.
    pub(crate) fn cancel(mut self, runtime: RuntimeId) -> Option<Rollback<C>> {
        let entered = self.frame.as_mut().interrupt();
        entered.then(|| Rollback::new(self.frame, self.entered, ExitKind::Cancelled, runtime))
    }

    /// A rollback that runs the setup to its yield point first.
    pub(crate) fn finish_then_roll_back(self, runtime: RuntimeId) -> Rollback<C> {
        Rollback::at(
            self.frame,
            self.entered,
            ExitKind::Cancelled,
            runtime,
            |_| Stage::Setup,
        )
    }
}
