//! A teardown that nobody awaits, as a future for some executor to run.

use super::{Entered, RuntimeId, Stuck, in_rollback::Rolling, lane::InBranch, places::Places};
use crate::{
    AsyncContext, Definition, ExitKind,
    cold::catch,
    frame::{AnyContext, Ending, FrameMut, Held, Payload, SaysOf},
    kind::Kind,
    report::{self, Failure},
    teardown::finish_alone,
    trace::OuterSpan,
};
use std::{
    fmt::{self, Debug},
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
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
    context: Stuck,
}

impl<C: AsyncContext> Rollback<C> {
    pub(crate) fn new(raw: RawRollback<C>, context: Stuck) -> Self {
        Rollback { raw, context }
    }

    /// The context's name and where it is defined.
    pub fn definition(&self) -> Definition {
        self.context.definition()
    }

    /// Where it was entered.
    pub fn entered(&self) -> &'static Location<'static> {
        self.context.entered()
    }

    /// Drops the frame without running its teardown, and reports why.
    pub fn lose(self, because: &'static str) {
        self.raw.lose(because);
    }

    /// Drops the frame without running its teardown: only the destructors of its locals run. Nothing is reported but the failure of a body
    /// that was over.
    pub fn discard(self) {
        self.raw.discard();
    }

    /// Forgets the context's type.
    pub(crate) fn into_any<M: SaysOf<C> + ?Sized>(mut self) -> RawRollback<M> {
        RawRollback(self.raw.0.take().map(Held::into_any))
    }
}

impl<C: AsyncContext> fmt::Debug for Rollback<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollback")
            .field("context", &self.definition())
            .field("entered", &self.entered())
            .finish()
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

/// A [`Rollback`] that may have forgotten its context's type, so that what runs it is compiled once. `None` once it is over, or was taken over.
//
// Two words, which is cheap to spawn: the state is kept beside the frame.
pub(crate) struct RawRollback<M: ?Sized>(Option<Held<M>>);

impl<M: ?Sized> RawRollback<M> {
    #[inline(always)]
    fn begin(mut frame: Held<M>, runtime: RuntimeId) -> Self {
        let (kept, mut frame_mut) = frame.parts();
        kept.begin(runtime, frame_mut.outer_span());
        RawRollback(Some(frame))
    }

    /// Drops the frame without running its teardown, and reports why.
    pub(crate) fn lose(mut self, because: &'static str) {
        self.be_lost(because);
    }

    /// Drops the frame without running its teardown. Nothing is reported but the failure of a body that was over.
    pub(crate) fn discard(mut self) {
        if let Some(mut held) = self.0.take() {
            let (kept, frame) = held.parts();
            kept.discard(frame);
        }
    }

    #[cold]
    fn be_lost(&mut self, because: &'static str) {
        if let Some(mut held) = self.0.take() {
            let (kept, frame) = held.parts();
            kept.be_lost(frame, because);
        }
    }
}

impl<M: ?Sized> Future for RawRollback<M> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(held) = &mut self.0 {
            let (kept, frame) = held.parts();
            ready!(kept.poll(frame, cx));
            // Frees the box, in which there is nothing left.
            self.0 = None;
        }
        Poll::Ready(())
    }
}

impl<M: ?Sized> Drop for RawRollback<M> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.be_lost(
                "its rollback was dropped before its end, as in a shutdown of the runtime",
            );
        }
    }
}

/// What is kept beside a frame: what is known of its context and, once the owner is gone, how far the rollback is, and its places. What the rollback does with the
/// frame, it does without the frame's type.
pub(crate) struct RollbackState {
    pub(crate) entered: Entered,
    left: Left,
    stage: Stage,
    outer_span: OuterSpan,
    places: Places,
}

// The safety of `Held` relies on this.
const _: () = {
    const fn may_be_anywhere<T: Send + Sync>() {}
    may_be_anywhere::<RollbackState>();
};

/// What a rollback begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The rest of the setup.
    Setup,
    /// A teardown that hasn't begun.
    Beginning,
    /// The rest of a teardown. It doesn't wait before it goes on: it would wait for what it has started itself.
    Middle,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The setup isn't over. Its resource goes straight to the teardown.
    Setup,
    /// The teardown hasn't begun, and there may be something to wait for.
    Looking,
    /// The teardown hasn't begun, and there is something to wait for.
    Waiting,
    Teardown,
    /// The frame is gone, but rollbacks that it has started may be pending.
    FrameGone,
    /// The rollback is over, or hasn't been begun.
    Over,
}

impl RollbackState {
    /// There is no rollback yet.
    #[inline]
    pub(crate) fn new(entered: Entered) -> Self {
        RollbackState {
            entered,
            left: Left::SETUP,
            stage: Stage::Over,
            outer_span: OuterSpan::none(),
            places: Places::none(),
        }
    }

    /// Waits for the rollbacks started below a context that isn't rolled back.
    #[inline]
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.places.poll_settled(&self.entered, cx)
    }

    /// The context's caller is gone.
    #[inline]
    pub(crate) fn note_left(&mut self, left: Left) {
        self.left = left;
    }

    #[inline(always)]
    fn begin(&mut self, runtime: RuntimeId, outer_span: OuterSpan) {
        self.outer_span = outer_span;
        let waits = self.places.take(&self.entered, runtime);
        self.stage = match self.left.start {
            Start::Setup => Stage::Setup,
            Start::Beginning if waits => Stage::Looking,
            Start::Beginning | Start::Middle => Stage::Teardown,
        };
    }

    /// Makes this the current rollback, and its lane the current branch and lane, until the returned values are dropped.
    fn enter(&self) -> (InBranch, Rolling) {
        let lane = self.entered.frame_lane().enter_branch();
        (lane, self.places.rollback(&self.entered).enter())
    }

    fn poll(&mut self, mut frame: FrameMut<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let _inside = self.enter();
        let outer_span = self.outer_span.clone();
        let _span = outer_span.enter();
        if !matches!(self.stage, Stage::FrameGone | Stage::Over) {
            let finished = catch_unwind(AssertUnwindSafe(|| {
                ready!(self.step(&mut frame, cx));
                Poll::Ready(frame.finish())
            }));
            match finished {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(ending)) => {
                    self.stage = Stage::FrameGone;
                    if let Some(ending) = ending {
                        report::unreturned(&self.entered, ending);
                    }
                }
                Err(payload) => {
                    self.panicked(payload);
                    self.drop_frame(frame);
                }
            }
        }
        // What the context's function has dropped is over before what is around the context goes on.
        if let Stage::FrameGone = self.stage {
            ready!(self.places.poll_give_up(&self.entered, cx));
            self.stage = Stage::Over;
        }
        Poll::Ready(())
    }

    /// Goes on with the rollback. Ready once the teardown is over.
    fn step(&mut self, frame: &mut FrameMut<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let RollbackState {
            entered,
            left,
            stage,
            places,
            ..
        } = self;
        let failed = &mut |error: &dyn Debug| {
            report::failure(entered, left.exit, Failure::Error(error));
        };
        loop {
            match stage {
                Stage::Setup => {
                    if !ready!(frame.poll_setup(cx, failed)) {
                        return Poll::Ready(());
                    }
                    *stage = Stage::Waiting;
                }
                Stage::Looking => {
                    *stage = match places.is_behind(entered) {
                        true => Stage::Waiting,
                        false => Stage::Teardown,
                    };
                }
                Stage::Waiting => {
                    ready!(places.poll_behind(entered, cx));
                    *stage = Stage::Teardown;
                }
                Stage::Teardown => return frame.poll_teardown(cx, failed),
                Stage::FrameGone | Stage::Over => return Poll::Ready(()),
            }
        }
    }

    /// Ends the rollback early, and reports that its teardown is lost.
    fn be_lost(&mut self, frame: FrameMut<'_>, because: &'static str) {
        match self.stage {
            Stage::Over => return,
            Stage::FrameGone => {}
            Stage::Setup | Stage::Looking | Stage::Waiting | Stage::Teardown => {
                let _inside = self.enter();
                let outer_span = self.outer_span.clone();
                let _span = outer_span.enter();
                report::failure(&self.entered, self.left.exit, Failure::Lost(because));
                self.drop_frame(frame);
            }
        }
        self.leave();
    }

    /// Ends the rollback without a teardown.
    fn discard(&mut self, frame: FrameMut<'_>) {
        // What the frame drops must know that it is inside this rollback, for which it can't wait.
        let _inside = self.enter();
        self.drop_frame(frame);
        self.leave();
    }

    /// Drops what is left of the frame.
    fn drop_frame(&mut self, mut frame: FrameMut<'_>) {
        self.stage = Stage::FrameGone;
        self.entered.leave_body_to_frame();
        if let Err(payload) = finish_alone(&self.entered, &mut || frame.finish()) {
            self.panicked(payload);
        }
    }

    /// The frame has panicked, and nobody gets that.
    #[cold]
    fn panicked(&self, payload: Payload) {
        report::panicked(&self.entered, self.left.exit, payload);
    }

    /// Ends the rollback without waiting for anything more.
    fn leave(&mut self) {
        self.stage = Stage::Over;
        self.places.leave(&self.entered);
    }
}

/// How far a context had come when its caller was gone.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Left {
    /// What the context is or was told of its body.
    exit: ExitKind,
    start: Start,
}

impl Left {
    /// In the middle of the setup.
    pub(crate) const SETUP: Self = Left {
        exit: ExitKind::Cancelled,
        start: Start::Setup,
    };

    /// Before the teardown.
    #[inline]
    pub(crate) fn waiting(exit: ExitKind) -> Self {
        Left {
            exit,
            start: Start::Beginning,
        }
    }

    /// In the middle of the teardown.
    #[inline]
    pub(crate) fn teardown(exit: ExitKind) -> Self {
        Left {
            exit,
            start: Start::Middle,
        }
    }

    /// At the yield point: gives `frame` its resource back from `room`.
    pub(crate) fn open<T, K: Kind>(
        entered: &Entered,
        mut frame: Pin<&mut AnyContext<'_, T, K>>,
        room: &mut Option<T>,
    ) -> Self {
        // Destructors on the way may panic. The teardown has to run nevertheless.
        if room.is_some() {
            reported(entered, &mut || {
                frame.as_mut().resume(room, Ending::cancelled());
            });
        }
        Left::waiting(ExitKind::Cancelled)
    }
}

/// A frame whose caller is gone. How far it had come is kept beside it.
#[doc(hidden)]
pub struct Abandonment<M: ?Sized>(Held<M>);

impl<C> Abandonment<C> {
    #[inline]
    pub(crate) fn new(frame: Held<C>) -> Self {
        Abandonment(frame)
    }

    /// The context, and where it was entered.
    pub(crate) fn context(&mut self) -> Stuck {
        self.0.parts().0.entered.stuck()
    }

    pub(crate) fn into_parts(mut self) -> (Held<C>, Entered, Left) {
        let kept = self.0.parts().0;
        let (entered, left) = (kept.entered, kept.left);
        (self.0, entered, left)
    }

    /// Forgets the frame's type.
    pub(crate) fn into_any<M: SaysOf<C> + ?Sized>(self) -> Abandonment<M> {
        Abandonment(self.0.into_any())
    }
}

impl<M: ?Sized> Abandonment<M> {
    /// Has `run` roll the frame back, if there is anything to be rolled back: a setup is dropped where it stands.
    #[inline]
    pub(crate) fn roll_back<O>(
        mut self,
        runtime: RuntimeId,
        origin: O,
        run: impl FnOnce(RawRollback<M>, O),
    ) {
        if self.is_in_setup() || thread::panicking() {
            return self.leave(|mut frame| {
                if stop_setup(&mut frame) {
                    run(RawRollback::begin(frame, runtime), origin);
                }
            });
        }
        run(RawRollback::begin(self.0, runtime), origin);
    }

    /// Has `run` roll the frame back. A setup goes on to its yield point first.
    #[inline]
    pub(crate) fn finish_then_roll_back<O>(
        self,
        runtime: RuntimeId,
        origin: O,
        run: impl FnOnce(RawRollback<M>, O),
    ) {
        self.leave(|frame| run(RawRollback::begin(frame, runtime), origin));
    }

    fn is_in_setup(&mut self) -> bool {
        self.0.parts().0.left.start == Start::Setup
    }

    /// Hands the frame to `to`, also while the thread panics. What its setup has entered is left to whatever is around it.
    #[cold]
    fn leave(mut self, to: impl FnOnce(Held<M>)) {
        let setup = self.is_in_setup();
        let entered = self.0.parts().0.entered;
        let _leaving = setup.then(|| entered.finally(Entered::leave_frame_lane));
        quietly(&entered, || to(self.0));
    }
}

/// Stops a setup. `false` if there is nothing to be torn down: then the frame is dropped.
fn stop_setup<M: ?Sized>(frame: &mut Held<M>) -> bool {
    let (kept, mut frame_mut) = frame.parts();
    if kept.left.start == Start::Setup {
        let _lane = kept.entered.in_frame();
        if !frame_mut.interrupt() {
            finish_alone(&kept.entered, &mut || frame_mut.finish())
                .unwrap_or_else(|payload| resume_unwind(payload));
            return false;
        }
        kept.left = Left::waiting(ExitKind::Cancelled);
    }
    true
}

/// Runs `abandon`, which runs destructors of the user's. While the thread is panicking, their panics are caught and reported: they would abort the process.
#[inline]
pub(crate) fn quietly(entered: &Entered, abandon: impl FnOnce()) {
    if !thread::panicking() {
        return abandon();
    }
    let mut abandon = Some(abandon);
    reported(entered, &mut || {
        if let Some(abandon) = abandon.take() {
            abandon();
        }
    });
}

/// Calls `run`, and reports its panic.
#[cold]
fn reported(entered: &Entered, run: &mut dyn FnMut()) {
    if let Err(payload) = catch(run) {
        report::panicked(entered, ExitKind::Cancelled, payload);
    }
}
