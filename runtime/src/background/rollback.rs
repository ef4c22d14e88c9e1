//! A teardown that nobody awaits, as a future for some executor to run.

use super::{Entered, RuntimeId, entered::Places, lane::Waiter};
use crate::{
    AsyncContext, ExitKind,
    cold::catch,
    frame::{AnyContext, AnyFrame, Ending, FrameMut, Held, Payload},
    kind::Kind,
    report::{self, Failure},
    teardown::finish_alone,
    trace::Around,
};
use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

/// The teardown of a context whose guard or `with` future was dropped: a future that runs it to its end.
///
/// A [policy](crate::policy::Policy) gets this to run. It waits for the rollbacks started below it, runs the teardown, which sees
/// [`Cancelled`](crate::Exit::Cancelled) or the exit that it had already seen, and [reports](crate::report) its failure or panic, and after that the one
/// of the body, if that had failed before its caller was gone: it returns nothing and never panics. Dropped before its end, it drops the frame and reports
/// that the teardown was lost.
#[must_use = "a rollback does nothing unless it is run"]
pub struct Rollback<C: AsyncContext> {
    raw: RawRollback<C>,
}

impl<C: AsyncContext> Rollback<C> {
    /// Drops the frame without running its teardown, and reports why.
    pub fn lose(self, because: &'static str) {
        self.raw.lose(because);
    }

    /// Drops the frame without running its teardown: only the destructors of its locals run. Nothing is reported but the failure of a body
    /// that was over.
    pub fn discard(self) {
        self.raw.discard();
    }

    /// Forgets which context it is of.
    pub(crate) fn into_any<'a>(mut self) -> RawRollback<dyn AnyFrame + 'a>
    where
        C: 'a,
    {
        let raw = self.raw.0.take();
        RawRollback(raw.map(|(frame, state)| (frame.into_any(), state)))
    }

    /// Forgets which context it is of, but not that it is `Send`.
    pub(crate) fn into_sendable<'a>(mut self) -> RawRollback<dyn AnyFrame + Send + 'a>
    where
        C: Send + 'a,
    {
        let raw = self.raw.0.take();
        RawRollback(raw.map(|(frame, state)| (frame.into_sendable(), state)))
    }
}

impl<C: AsyncContext> From<RawRollback<C>> for Rollback<C> {
    fn from(raw: RawRollback<C>) -> Self {
        Rollback { raw }
    }
}

// The frame is boxed; nothing else is pinned.
impl<C: AsyncContext> Unpin for Rollback<C> {}

impl<C: AsyncContext> Future for Rollback<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.raw).poll(cx)
    }
}

/// A [`Rollback`] that may have forgotten its context's type, so that what runs it is compiled once. `None` if it was taken over.
pub(crate) struct RawRollback<M: ?Sized>(Option<(Held<M>, State)>);

impl<M: ?Sized> RawRollback<M> {
    fn new(mut frame: Held<M>, left: Left, runtime: RuntimeId) -> Self {
        let state = State::new(left, runtime, frame.any_mut().around());
        RawRollback(Some((frame, state)))
    }

    /// Drops the frame without running its teardown, and reports why.
    pub(crate) fn lose(mut self, because: &'static str) {
        self.be_lost(because);
    }

    /// Drops the frame without running its teardown. Nothing is reported but the failure of a body that was over.
    pub(crate) fn discard(mut self) {
        if let Some((frame, state)) = &mut self.0 {
            state.discard(frame.any_mut());
        }
    }

    fn be_lost(&mut self, because: &'static str) {
        if let Some((frame, state)) = &mut self.0 {
            state.be_lost(frame.any_mut(), because);
        }
    }
}

impl<M: ?Sized> Future for RawRollback<M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some((frame, state)) => state.poll(frame.any_mut(), cx),
            None => Poll::Ready(()),
        }
    }
}

impl<M: ?Sized> Drop for RawRollback<M> {
    fn drop(&mut self) {
        self.be_lost("its rollback was dropped: the runtime was shut down");
    }
}

/// How far a rollback is, and where. Whatever it does with the frame, it does without its type.
struct State {
    entered: Entered,
    exit: ExitKind,
    around: Around,
    // Given up last, which lets outer rollbacks go on.
    places: Places,
    waiter: Waiter,
    stage: Stage,
}

/// What a rollback begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The rest of the setup.
    Setup,
    /// A teardown that hasn't begun.
    Beginning,
    /// The rest of a teardown: it doesn't wait for what it has started itself.
    Middle,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The setup isn't over; its resource goes straight to the teardown.
    Setup,
    /// The teardown hasn't begun: there may be something to wait for.
    Looking,
    /// There is.
    Waiting,
    Teardown,
    /// The frame is gone; what it has left to the background in its own rollback is not.
    Parts,
    Over,
}

impl State {
    fn new(left: Left, runtime: RuntimeId, around: Around) -> Self {
        let Left {
            entered,
            exit,
            start,
        } = left;
        let (places, waits) = Places::take(&entered, runtime);
        State {
            entered,
            exit,
            around,
            places,
            waiter: Waiter::default(),
            stage: match start {
                Start::Setup => Stage::Setup,
                Start::Beginning if waits => Stage::Looking,
                Start::Beginning | Start::Middle => Stage::Teardown,
            },
        }
    }

    fn poll(&mut self, mut frame: FrameMut<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let entered = self.entered;
        let _lane = entered.frame_lane().enter();
        let _rollback = self.places.rollback(&entered).enter();
        let around = self.around.clone();
        let _span = around.enter();
        if !matches!(self.stage, Stage::Parts | Stage::Over) {
            match catch_unwind(AssertUnwindSafe(|| self.step(&mut frame, cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) => {}
                Err(payload) => self.panicked(payload),
            }
            self.drop_frame(frame);
        }
        // What it has dropped comes before what is around it.
        if let Stage::Parts = self.stage {
            ready!(self.places.poll_give_up(&entered, &mut self.waiter, cx));
            self.stage = Stage::Over;
        }
        Poll::Ready(())
    }

    /// One step; ready once the teardown is over.
    fn step(&mut self, frame: &mut FrameMut<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let (entered, exit) = (self.entered, self.exit);
        let failed = &mut |error: &dyn Debug| {
            report::failure(&entered, exit, Failure::Error(error));
        };
        loop {
            match self.stage {
                Stage::Setup => {
                    if !ready!(frame.poll_setup(cx, failed)) {
                        return Poll::Ready(());
                    }
                    self.stage = Stage::Waiting;
                }
                Stage::Looking => {
                    self.stage = match self.places.is_behind(&entered) {
                        true => Stage::Waiting,
                        false => Stage::Teardown,
                    };
                }
                Stage::Waiting => {
                    ready!(self.places.poll_behind(&entered, &mut self.waiter, cx));
                    self.stage = Stage::Teardown;
                }
                Stage::Teardown => return frame.poll_teardown(cx, failed),
                Stage::Parts | Stage::Over => return Poll::Ready(()),
            }
        }
    }

    /// Ends before its end.
    fn be_lost(&mut self, frame: FrameMut<'_>, because: &'static str) {
        match self.stage {
            Stage::Over => return,
            Stage::Parts => {}
            Stage::Setup | Stage::Looking | Stage::Waiting | Stage::Teardown => {
                let _lane = self.entered.frame_lane().enter();
                let around = self.around.clone();
                let _span = around.enter();
                report::failure(&self.entered, self.exit, Failure::Lost(because));
                self.drop_frame(frame);
            }
        }
        self.leave();
    }

    /// Ends without its teardown.
    fn discard(&mut self, frame: FrameMut<'_>) {
        self.drop_frame(frame);
        self.leave();
    }

    /// Drops what is left of the frame.
    fn drop_frame(&mut self, mut frame: FrameMut<'_>) {
        self.stage = Stage::Parts;
        if let Err(payload) = finish_alone(&self.entered, &mut || frame.finish()) {
            self.panicked(payload);
        }
    }

    /// The frame has panicked, with nobody to tell.
    #[cold]
    fn panicked(&self, payload: Payload) {
        report::failure(&self.entered, self.exit, Failure::Panic(&*payload));
        report::discard(payload);
    }

    /// Ends without waiting for anything more.
    fn leave(&mut self) {
        self.stage = Stage::Over;
        self.entered.leave_all();
        self.places.leave(&self.entered);
    }
}

/// How far a context had come when its caller was gone.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) entered: Entered,
    /// What the context is told of its body.
    pub(crate) exit: ExitKind,
    pub(crate) start: Start,
}

impl Left {
    /// In the middle of the setup.
    pub(crate) fn setup(entered: Entered) -> Self {
        Left {
            entered,
            exit: ExitKind::Cancelled,
            start: Start::Setup,
        }
    }

    /// Before the teardown.
    pub(crate) fn waiting(entered: Entered, exit: ExitKind) -> Self {
        Left {
            entered,
            exit,
            start: Start::Beginning,
        }
    }

    /// In the middle of the teardown.
    pub(crate) fn teardown(entered: Entered, exit: ExitKind) -> Self {
        Left {
            entered,
            exit,
            start: Start::Middle,
        }
    }

    /// At the yield point, where `frame` gets its resource back.
    pub(crate) fn open<T, K: Kind>(
        entered: Entered,
        mut frame: Pin<&mut AnyContext<'_, T, K>>,
        resource: &mut Option<T>,
    ) -> Self {
        quietly(&entered, &mut || {
            if let Some(resource) = resource.take() {
                frame.as_mut().resume(resource, Ending::cancelled());
            }
        });
        Left::waiting(entered, ExitKind::Cancelled)
    }
}

/// A frame whose caller is gone.
#[doc(hidden)]
pub struct Abandonment<M: ?Sized> {
    frame: Held<M>,
    left: Left,
}

impl<C> Abandonment<C> {
    pub(crate) fn new(frame: Held<C>, left: Left) -> Self {
        Abandonment { frame, left }
    }

    pub(crate) fn into_parts(self) -> (Held<C>, Left) {
        (self.frame, self.left)
    }

    /// Forgets which context it is of.
    pub(crate) fn into_any<'a>(self) -> Abandonment<dyn AnyFrame + 'a>
    where
        C: 'a,
    {
        Abandonment {
            frame: self.frame.into_any(),
            left: self.left,
        }
    }

    /// Forgets which context it is of, but not that it is `Send`.
    pub(crate) fn into_sendable<'a>(self) -> Abandonment<dyn AnyFrame + Send + 'a>
    where
        C: Send + 'a,
    {
        Abandonment {
            frame: self.frame.into_sendable(),
            left: self.left,
        }
    }
}

impl<M: ?Sized> Abandonment<M> {
    /// Has `run` roll it back, if there is anything to be rolled back: a setup is dropped where it stands.
    pub(crate) fn roll_back<O>(self, runtime: RuntimeId, origin: O, run: fn(RawRollback<M>, O)) {
        self.leave(origin, &mut |mut frame, mut left, origin| {
            if left.start == Start::Setup {
                if !frame.any_mut().interrupt() {
                    return;
                }
                left.start = Start::Beginning;
            }
            run(RawRollback::new(frame, left, runtime), origin);
        });
    }

    /// Has `run` roll it back: a setup goes on to its yield point first.
    pub(crate) fn finish_then_roll_back<O>(
        self,
        runtime: RuntimeId,
        origin: O,
        run: fn(RawRollback<M>, O),
    ) {
        self.leave(origin, &mut |frame, left, origin| {
            run(RawRollback::new(frame, left, runtime), origin);
        });
    }

    fn leave<O>(self, origin: O, to: &mut dyn FnMut(Held<M>, Left, O)) {
        let left = self.left;
        let mut moved = Some((self.frame, origin));
        quietly(&left.entered, &mut || {
            if let Some((frame, origin)) = moved.take() {
                to(frame, left, origin);
            }
        });
        if left.start == Start::Setup {
            left.entered.leave_parts();
        }
    }
}

/// Runs `abandon`, which runs destructors of the user's: if one panics while the thread is panicking already, that would abort the process.
pub(crate) fn quietly(entered: &Entered, abandon: &mut dyn FnMut()) {
    if !thread::panicking() {
        return abandon();
    }
    if let Err(payload) = catch(abandon) {
        report::failure(entered, ExitKind::Cancelled, Failure::Panic(&*payload));
        report::discard(payload);
    }
}
