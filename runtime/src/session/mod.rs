//! Closure and block style: a context around a body. The body is polled inside the context's yield point where the context may wrap it, and beside the context
//! where not.

mod caught;
mod early;
mod run;
mod with;

pub(crate) use caught::{InPlace, poll_caught};
pub(crate) use with::With;

use crate::{
    AsyncContext, BodyError, ExitKind, Outcome,
    background::{
        Abandonment, Entered, InLane, Left, RollbackState, Settling, Unit, Unsettled,
        is_any_pending, quietly,
    },
    cold::{ByHand, catch},
    frame::{
        AnyContext, Body, BodyPoll, Ending, ErrorOf, Home, HomeKey, Lent, NotEntered, Threads,
    },
    kind::{Kind, Never, Out, RaiseAs, Suppression, Whole},
    outcome::{AsItIs, Came, Ended, Finish, is_well, missing, refused},
    policy::{Policy, Storage},
    report,
    teardown::{self, Keep, Torn, finish_after, finish_late, keep_error, keep_text, text_of},
};
use early::Early;
pub(crate) use run::BodyPlace;
use run::{Block, Run};
use std::{
    fmt::Debug,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

type SuppressionOf<C> = <<C as AsyncContext>::Kind as Kind>::Suppression;

/// What a body comes to: what it returns, or its panic.
pub(crate) type Returned<V, B> = thread::Result<Result<V, B>>;

/// A context with its body. Dropped before its end, it leaves the frame to the policy.
pub struct Session<'a, C: AsyncContext, P: Policy<C>> {
    storage: Pin<&'a mut P::Storage>,
    origin: Option<P::Origin>,
    state: State<'a, C::Resource>,
}

/// All of a session but the frame: how far it is.
pub(crate) struct State<'a, R> {
    entered: &'a Entered,
    key: HomeKey<'a, R>,
    /// Whether it is the context that polls the body.
    polls_body: bool,
    stage: Stage,
    /// How the body ended, from [`Waiting`](Stage::Waiting) on.
    exit: ExitKind,
}

#[derive(Clone, Copy)]
enum Stage {
    Setup,
    /// The body is polled beside its context.
    Open,
    /// The body is polled inside its context.
    Inside,
    /// The teardown hasn't begun.
    Waiting,
    Teardown,
    /// The context is over, but hasn't waited yet for what its body had entered.
    Early,
    Closed,
}

impl<'a, C: AsyncContext, P: Policy<C>> Session<'a, C, P> {
    /// Nothing runs before it is polled.
    #[inline]
    pub(crate) fn new(
        mut storage: Pin<&'a mut P::Storage>,
        entered: &'a Entered,
        home: &'a mut Home<C::Resource>,
    ) -> Self {
        let polls_body = storage.as_mut().frame().polls_body();
        Session {
            storage,
            origin: Some(P::origin()),
            state: State {
                entered,
                key: home.key(),
                polls_body,
                stage: Stage::Setup,
                exit: ExitKind::Cancelled,
            },
        }
    }

    /// Where and when the context was entered.
    #[inline]
    pub(crate) fn entered(&self) -> &'a Entered {
        self.state.entered
    }

    /// The frame, and what else it takes to run it.
    #[inline]
    pub(crate) fn parts(&mut self) -> (Pin<&mut C>, &mut State<'a, C::Resource>) {
        (self.storage.as_mut().frame(), &mut self.state)
    }

    /// Runs the setup.
    pub fn setup(&mut self) -> Setup<'_, 'a, C> {
        let (frame, state) = self.parts();
        Setup::new(frame, state)
    }

    /// Runs the body, which has to stay on this thread, and the teardown. `made` converts what the body returns into a `Result`.
    pub fn run<'s, V, B, Fut, M>(
        &'s mut self,
        place: Pin<&'s mut Option<Fut>>,
        made: M,
    ) -> impl Future<Output = BodyEnd<V, B, ErrorOf<C>>> + use<'s, 'a, C, P, V, B, Fut, M>
    where
        Fut: Future,
        M: Fn(Fut::Output) -> Result<V, B>,
        B: BodyError,
    {
        self.run_block(place, made, keep_error)
    }

    /// [`run`](Session::run) for an error that isn't `Send`.
    pub fn run_local<'s, V, B, Fut, M>(
        &'s mut self,
        place: Pin<&'s mut Option<Fut>>,
        made: M,
    ) -> impl Future<Output = BodyEnd<V, B, ErrorOf<C>>> + use<'s, 'a, C, P, V, B, Fut, M>
    where
        Fut: Future,
        M: Fn(Fut::Output) -> Result<V, B>,
        B: Debug + 'static,
    {
        self.run_block(place, made, keep_text)
    }

    async fn run_block<'s, V, B, Fut, M>(
        &'s mut self,
        place: Pin<&'s mut Option<Fut>>,
        made: M,
        keep: Keep<B>,
    ) -> BodyEnd<V, B, ErrorOf<C>>
    where
        Fut: Future,
        M: Fn(Fut::Output) -> Result<V, B>,
        B: Debug + 'static,
    {
        let mut body = Block { place, made };
        let (frame, state) = self.parts();
        let mut running: Running<'_, '_, _, _, _, _, AsItIs> =
            Running::new(frame, state, Pin::new(&mut body), Threads::this, keep);
        if running.polls_body() {
            running.begin_inside();
        }
        BodyEnd(running.await)
    }
}

/// Gives the context its resource back, unless the context has taken it already, and says how the body ended.
#[cfg_attr(not(debug_assertions), inline(always))]
fn resume<D: AsyncContext + ?Sized>(
    frame: Pin<&mut D>,
    state: &mut State<'_, D::Resource>,
    ending: Ending,
) {
    let Some(room) = state.key.room() else {
        still_lent();
    };
    state.stage = Stage::Waiting;
    state.exit = ending.kind();
    match room {
        Some(_) => frame.resume(room, ending),
        None => drop(frame.resume_evicted(ending)),
    }
}

#[cold]
fn still_lent() -> ! {
    panic!("a body that is over gives its resource back")
}

/// Runs the setup. `D` is the frame's type, or a `dyn` in its place.
pub struct Setup<'s, 'a, D: AsyncContext + ?Sized> {
    frame: Pin<&'s mut D>,
    state: &'s mut State<'a, D::Resource>,
}

impl<'s, 'a, D: AsyncContext + ?Sized> Setup<'s, 'a, D> {
    #[inline]
    pub(crate) fn new(frame: Pin<&'s mut D>, state: &'s mut State<'a, D::Resource>) -> Self {
        Setup { frame, state }
    }
}

impl<'a, D: AsyncContext + ?Sized> Future for Setup<'_, 'a, D> {
    type Output = Result<Lent<'a, D::Resource>, NotEntered<ErrorOf<D>>>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Setup { frame, state } = &mut *self;
        poll_setup(frame.as_mut(), state, &InLane::here(), cx)
    }
}

/// Runs the setup in the context function's lane.
#[cfg_attr(not(debug_assertions), inline(always))]
fn poll_setup<'a, D: AsyncContext + ?Sized>(
    frame: Pin<&mut D>,
    state: &mut State<'a, D::Resource>,
    lane: &InLane,
    cx: &mut Context<'_>,
) -> Poll<Result<Lent<'a, D::Resource>, NotEntered<ErrorOf<D>>>> {
    lane.go(state.entered.frame_lane());
    // What stands if the setup unwinds: then nothing is left to be set up or torn down.
    state.stage = Stage::Closed;
    let mut home = state.key.open().expect("no body has the resource yet");
    match frame.poll_setup(home.room(), cx) {
        Poll::Pending => {
            state.stage = Stage::Setup;
            Poll::Pending
        }
        Poll::Ready(Ok(())) => {
            state.stage = Stage::Open;
            Poll::Ready(Ok(home.lend()))
        }
        Poll::Ready(Err(not_entered)) => Poll::Ready(Err(not_entered)),
    }
}

/// What running a body comes to.
pub struct BodyEnd<V, B, E>(Ended<V, B, E>);

/// On which threads the yield point may poll a body: [`Threads::any`] or [`Threads::this`].
type Polled<W> = fn() -> Threads<W>;

/// A context with its body, from the end of its setup to the end of its teardown.
///
/// `D` and `X` are the types of the frame and of the body's place, or a `dyn` in place of each: then this is compiled once for all that yield and return the same.
pub(crate) struct Running<'s, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
{
    frame: Pin<&'s mut D>,
    run: Run<'s, 'a, D::Resource, X, V, B>,
    threads: Polled<Run<'s, 'a, D::Resource, X, V, B>>,
    // These two are dropped by `leave`. Mostly nothing is left of them, nor of `run`, and by one look at `run` a drop knows that.
    unsettled: ByHand<Box<Unsettled>>,
    /// What a context that has ended by itself, as a timeout does, has come to.
    early: ByHand<Box<Early<'a, ErrorOf<D>>>>,
    _finish: PhantomData<fn() -> Z>,
}

impl<'s, 'a, D, X, V, B, Z> Running<'s, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
{
    /// `threads` says where the yield point may poll the body, and `keep` what the teardown sees of the body's error.
    pub(crate) fn new(
        frame: Pin<&'s mut D>,
        state: &'s mut State<'a, D::Resource>,
        body: Pin<&'s mut X>,
        threads: Polled<Run<'s, 'a, D::Resource, X, V, B>>,
        keep: Keep<B>,
    ) -> Self {
        Running {
            frame,
            run: Run::new(body, state, keep),
            threads,
            unsettled: ByHand::none(),
            early: ByHand::none(),
            _finish: PhantomData,
        }
    }

    #[inline]
    fn polls_body(&mut self) -> bool {
        self.run.state().polls_body
    }

    /// The setup is over, and the context is to poll the body.
    fn begin_inside(&mut self) {
        self.frame.as_mut().begin_body();
        *self.run.stage() = Stage::Inside;
    }

    /// Drops what is left.
    #[cold]
    fn leave(&mut self) {
        // Dropped after the body, also if the body's drop unwinds.
        let _rest = (self.early.take(), self.unsettled.take());
        self.run.leave();
    }
}

impl<'a, D, X, V, B, Z> Drop for Running<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
{
    #[inline]
    fn drop(&mut self) {
        if !self.run.is_gone() {
            self.leave();
        }
    }
}

// It holds only references to what is pinned.
impl<'a, D, X, V, B, Z> Unpin for Running<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
{
}

impl<'a, D, X, V, B, Z> Future for Running<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
    Z: Finish<V, B, D::Kind>,
{
    type Output = Z::Output;

    // Small and inline: every wake-up of the body goes through here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.poll_open(cx));
        self.poll_apart(cx)
    }
}

impl<'a, D, X, V, B, Z> Running<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
    Z: Finish<V, B, D::Kind>,
{
    /// Polls a body beside its context. Ready where the body is over, or isn't polled beside the context.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.run.stage(), Stage::Open) && !self.run.poll_open(cx) {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// The setup is over: lends the body its resource, and polls the body in its lane, or leaves that to the context.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn begin(
        &mut self,
        lent: Lent<'a, D::Resource>,
        lane: &InLane,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.polls_body() {
            lane.go_back();
            self.run.keep_lent(lent);
            self.begin_inside();
            return Poll::Ready(());
        }
        lane.go(self.run.entered().body_lane());
        if !self.run.poll_here(Some(lent), cx) {
            return Poll::Pending;
        }
        lane.go_back();
        Poll::Ready(())
    }

    /// [`poll_rest`](Running::poll_rest), kept out of the code that every wake-up of the body goes through.
    #[inline(never)]
    fn poll_apart(&mut self, cx: &mut Context<'_>) -> Poll<Z::Output> {
        self.poll_rest(&InLane::here(), cx)
    }

    /// Polls the body inside its context, if it is to be, waits for the rollbacks started below the context, and runs the teardown.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_rest(&mut self, lane: &InLane, cx: &mut Context<'_>) -> Poll<Z::Output> {
        let mut resumed = self.run.is_over();
        if resumed {
            self.resume();
        } else if let Stage::Inside = self.run.stage() {
            ready!(self.poll_inside(cx));
            resumed = matches!(self.run.stage(), Stage::Waiting);
        }
        // `resumed` says the same as the stage, without a look at that: a `match` of the stage alone would take 9 instructions more.
        if resumed || matches!(self.run.stage(), Stage::Waiting) {
            // In a later poll, nothing may be pending any more. The look is needed all the same, to drop what is left of the waiting.
            if !resumed || is_any_pending() {
                ready!(self.poll_settled(cx));
            }
            *self.run.stage() = Stage::Teardown;
        } else if !matches!(self.run.stage(), Stage::Teardown) {
            return self.poll_early(cx);
        }
        let entered = self.run.entered();
        lane.go(entered.frame_lane());
        let mut failed = None;
        let frame = self.frame.as_mut();
        let ending = ready!(teardown::poll(frame, entered, &mut failed, cx));
        *self.run.stage() = Stage::Closed;
        if is_well(&failed, &ending) {
            if let Some(value) = self.run.take_value() {
                // All is well, so neither has anything to drop: don't look.
                mem::forget((failed, ending));
                return Poll::Ready(Z::well(value));
            }
        }
        lane.go_back();
        Poll::Ready(self.end_otherwise(failed, ending))
    }

    #[cold]
    fn end_otherwise(&mut self, failed: Option<Torn<D>>, ending: Option<Ending>) -> Z::Output {
        let came = Came::new(self.run.take_kept(), failed, ending);
        Z::otherwise(came, self.run.entered())
    }

    /// A context that has ended by itself: it is over once the rollbacks that its body had started are.
    #[cold]
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<Z::Output> {
        let Stage::Early = *self.run.stage() else {
            panic!("a context was polled after its end");
        };
        ready!(self.poll_settled(cx));
        *self.run.stage() = Stage::Closed;
        let early = self.early.take().map(|early| early.into_context());
        let came = Came {
            body: self.run.take_outcome(),
            suppressed: false,
            context: early.unwrap_or(Ok(Ok(()))),
        };
        Poll::Ready(Z::otherwise(came, self.run.entered()))
    }
}

impl<'a, D, X, V, B, Z> Running<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
{
    /// The body is over: tells the context how it ended.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn resume(&mut self) {
        let ending = self.run.tell();
        resume(self.frame.as_mut(), self.run.state(), ending);
    }

    /// Polls the body inside its context.
    fn poll_inside(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Running {
            frame,
            run,
            threads,
            ..
        } = self;
        let _lane = run.entered().frame_lane().enter();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let threads = threads();
            frame.as_mut().poll_body(cx, Body::new(run, threads))
        }));
        match polled {
            Ok(Poll::Pending) if run.is_over() => self.resume(),
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(returned)) => self.ended_early(Ok(returned)),
            Err(payload) => self.ended_early(Err(payload)),
        }
        Poll::Ready(())
    }

    #[cold]
    fn ended_early(&mut self, context: Torn<D>) {
        BodyPoll::cancel(&mut self.run);
        *self.run.stage() = Stage::Early;
        let entered = self.run.entered();
        let (context, _) = finish_late(self.frame.as_mut(), entered, context);
        self.early.put(Box::new(Early::new(context, entered)));
    }

    /// Waits for the rollbacks started below the context. When these are over, nothing is left of the waiting.
    #[cold]
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut settling = Settling::again(self.unsettled.take());
        let polled = settling.poll(self.run.entered(), cx);
        if polled.is_pending() {
            *self.unsettled = settling.into_unsettled();
        }
        polled
    }
}

/// A context has failed around a body that can't return an error and has come to `body`: panics with the context's error.
#[cold]
#[track_caller]
fn failed<E: Debug, V>(entered: &Entered, error: E, body: V) -> ! {
    // The text is made, and both are dropped, before the panic: a panic in there while this one unwinds, or while its message is made, would abort the process.
    let text = text_of(&error);
    report::drop_quietly(entered, ExitKind::Completed, error);
    report::drop_quietly(entered, ExitKind::Completed, body);
    panic!("{} failed: {text}", entered.definition)
}

/// What block style returns at a context's end.
impl<C: AsyncContext, P: Policy<C>> Session<'_, C, P> {
    /// The end of a context whose body returns a `Result`.
    pub fn returned<V, B>(&self, end: BodyEnd<V, B, ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
        B: Debug + 'static,
    {
        end.0.into_result::<C::Kind>(self.entered())
    }

    /// The setup of a context whose body would return a `Result` has failed.
    pub fn refused<V, B>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
    {
        refused::<C::Kind, V, B>(not_entered, self.entered())
    }

    /// [`returned`](Session::returned), for a function that returns the value itself.
    pub fn returned_whole<V, B>(&self, end: BodyEnd<V, B, ErrorOf<C>>) -> Result<V, B>
    where
        C::Kind: RaiseAs<B>,
        SuppressionOf<C>: Whole<V>,
        B: Debug + 'static,
    {
        self.returned(end)
            .map(<SuppressionOf<C> as Whole<V>>::whole)
    }

    /// [`refused`](Session::refused), for a function that returns the value itself.
    pub fn refused_whole<V, B>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<V, B>
    where
        C::Kind: RaiseAs<B>,
        SuppressionOf<C>: Whole<V>,
    {
        self.refused(not_entered)
            .map(<SuppressionOf<C> as Whole<V>>::whole)
    }

    /// The end of a context whose body returns a plain value.
    ///
    /// # Panics
    /// If the teardown fails.
    #[track_caller]
    pub fn returned_or_panic<V>(&self, end: BodyEnd<V, Never, ErrorOf<C>>) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        let Outcome { context, body, .. } = end.0.into_outcome::<C::Kind>(self.entered());
        let out = match (context, body) {
            (Err(error), body) => failed(self.entered(), error, body),
            (Ok(()), Some(Ok(value))) => SuppressionOf::<C>::value(value),
            (Ok(()), Some(Err(never))) => match never {},
            (Ok(()), None) => missing::<C::Kind, V>(self.entered().definition),
        };
        Ok(<SuppressionOf<C> as Whole<V>>::whole(out))
    }

    /// The setup of a context whose body would return a plain value has failed.
    ///
    /// # Panics
    /// If it has an error.
    #[track_caller]
    pub fn refused_or_panic<V>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        match not_entered {
            NotEntered::Failed(error) => failed(self.entered(), error, ()),
            NotEntered::Skipped(_) => {
                let out = missing::<C::Kind, V>(self.entered().definition);
                Ok(<SuppressionOf<C> as Whole<V>>::whole(out))
            }
        }
    }
}

impl<C: AsyncContext, P: Policy<C>> Drop for Session<'_, C, P> {
    #[inline]
    fn drop(&mut self) {
        if let Stage::Closed = self.state.stage {
            return self.entered().leave_all();
        }
        let _over = self.entered().finally(Entered::forget_inside);
        self.abandon();
    }
}

impl<C: AsyncContext, P: Policy<C>> Session<'_, C, P> {
    #[cold]
    fn abandon(&mut self) {
        let Some(mut frame) = self.storage.as_mut().take(self.state.entered) else {
            let (frame, state) = self.parts();
            return state.discard(frame);
        };
        let (kept, inner) = frame.typed_parts();
        if !self.state.leave(kept, inner) {
            return;
        }
        if let Some(origin) = self.origin.take() {
            P::take_over(Abandonment::new(frame), origin);
        }
    }
}

impl<R> State<'_, R> {
    /// Whether the setup is over, and the context isn't.
    fn is_set_up(&self) -> bool {
        !matches!(self.stage, Stage::Setup | Stage::Closed)
    }
}

// What happens when the caller is gone. It doesn't know the frame's type, and so is compiled once for all contexts that yield and return the same.
impl<R> State<'_, R> {
    /// Gives the context its resource back, and notes how far it had come. `false` if there is nothing left to be rolled back.
    fn leave<K: Kind>(
        &mut self,
        kept: &mut RollbackState,
        frame: Pin<&mut AnyContext<'_, R, K>>,
    ) -> bool {
        let entered = self.entered;
        kept.note_left(match self.stage {
            Stage::Setup => Left::SETUP,
            Stage::Open | Stage::Inside => match self.key.room() {
                Some(room @ Some(_)) => Left::open(entered, frame, room),
                Some(None) => Left::teardown(ExitKind::Cancelled),
                // The body was forgotten with the resource, for which the yield point would wait for ever.
                None => {
                    entered.leave_all();
                    return false;
                }
            },
            Stage::Waiting => {
                frame.abandon();
                Left::waiting(self.exit)
            }
            Stage::Teardown => {
                frame.abandon();
                Left::teardown(self.exit)
            }
            Stage::Early | Stage::Closed => {
                entered.leave_all();
                return false;
            }
        });
        true
    }

    /// Drops what is left of a frame that can't be taken over.
    fn discard<K: Kind>(&mut self, mut frame: Pin<&mut AnyContext<'_, R, K>>) {
        let entered = self.entered;
        let _leaving = entered.finally(Entered::leave_all);
        quietly(entered, || {
            let resource = {
                // In the body's lane: a resource such as a stack holds what the body has entered.
                let _lane = entered.body_lane().enter();
                catch(&mut || drop(self.key.take()))
            };
            let _lane = entered.in_frame();
            entered.leave_body_to_frame();
            let _unit = Unit::begin();
            finish_after(resource, entered, &mut || frame.as_mut().finish())
                .unwrap_or_else(|payload| resume_unwind(payload));
        });
    }
}
