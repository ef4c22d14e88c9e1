//! Closure and block style: a context around a body that it polls inside its yield point.

mod caught;
mod lent;
mod run;

pub(crate) use caught::called;
pub use caught::caught;
pub(crate) use lent::Home;
pub(crate) use lent::Lent;

use crate::{
    AsyncContext, ExitKind, Outcome,
    background::{Entered, Settling},
    frame::{AnyContext, Body, BodyPoll, Ending, NotEntered, Place, Threads},
    kind::{Kind, Never, Out, RaiseAs, Suppression, Whole},
    outcome::{AsItIs, Came, Ended, Finish, missing},
    policy::{Abandoned, Policy, Storage},
    teardown::{self, Keep, Kept, Torn, TornOf, finish_late, keep_error},
};
use run::Run;
use std::{
    fmt::Debug,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

type ErrorOf<C> = <<C as AsyncContext>::Kind as Kind>::Error;
type SuppressionOf<C> = <<C as AsyncContext>::Kind as Kind>::Suppression;

/// A body's outcome, and the resource [back](Lent::back) from it.
pub(crate) type Returned<R, V, B> = (Option<R>, thread::Result<Result<V, B>>);

/// A context with its body running inside it. Dropped before its end, it leaves the frame to the policy.
pub struct Session<'a, C: AsyncContext, P: Policy<C>> {
    storage: Pin<&'a mut P::Storage>,
    home: &'a Home<C::Resource>,
    origin: Option<P::Origin>,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Setup,
    Open,
    /// The teardown hasn't begun.
    Waiting(ExitKind),
    Teardown(ExitKind),
    /// Over without having waited for what the body had entered.
    Early,
    Closed,
}

impl<'a, C: AsyncContext, P: Policy<C>> Session<'a, C, P> {
    /// Nothing runs before it is polled.
    #[inline]
    pub(crate) fn new(storage: Pin<&'a mut P::Storage>, home: &'a Home<C::Resource>) -> Self {
        Session {
            storage,
            home,
            origin: Some(P::origin()),
            stage: Stage::Setup,
        }
    }

    /// Where and when the context was entered.
    #[inline]
    pub(crate) fn entered(&self) -> &'a Entered {
        &self.home.entered
    }

    fn frame(&mut self) -> Pin<&mut C> {
        self.storage.as_mut().frame()
    }

    /// Puts the resource back, if it isn't gone, and says how the body ended.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn resume(&mut self, resource: Option<C::Resource>, ending: Ending) {
        self.stage = Stage::Waiting(ending.kind());
        match resource {
            Some(resource) => self.frame().resume(resource, ending),
            None => drop(self.frame().resume_evicted(ending)),
        }
    }

    /// Runs the setup.
    #[inline]
    pub fn setup(&mut self) -> Setup<'_, 'a, C, P> {
        Setup(self)
    }

    /// Runs a body of which nothing is known but that it is on this thread, and the teardown.
    pub async fn run<'s, V, B, Fut>(
        &'s mut self,
        body: Pin<&'s mut Option<Fut>>,
    ) -> BodyEnd<V, B, ErrorOf<C>>
    where
        Fut: Future<Output = Returned<C::Resource, V, B>>,
        B: Debug + Send + 'static,
    {
        let running: Running<'_, '_, _, _, _, _, _, AsItIs> =
            self.run_on(body, Threads::this, keep_error);
        BodyEnd(running.await)
    }

    /// Runs body and teardown, after the setup. `threads` says where the yield point may poll the body, `keep` what the teardown sees of its error.
    #[inline]
    pub(crate) fn run_on<'s, V, B, Fut, Z>(
        &'s mut self,
        body: Pin<&'s mut Option<Fut>>,
        threads: Polled<Run<'s, 'a, C::Resource, Fut, V, B>>,
        keep: Keep<B>,
    ) -> Running<'s, 'a, C, P, Fut, V, B, Z>
    where
        Fut: Future<Output = Returned<C::Resource, V, B>>,
        B: Debug + 'static,
    {
        if C::Place::INSIDE {
            self.frame().begin_body();
        }
        Running {
            run: Run::new(body, self.home, keep),
            session: self,
            threads,
            settling: Settling::default(),
            early: None,
            _finish: PhantomData,
        }
    }
}

/// The future of [`Session::setup`].
//
// With a name, so that it is inlined where it is awaited.
pub struct Setup<'s, 'a, C: AsyncContext, P: Policy<C>>(&'s mut Session<'a, C, P>);

impl<'a, C: AsyncContext, P: Policy<C>> Future for Setup<'_, 'a, C, P> {
    type Output = Result<Lent<'a, C::Resource>, NotEntered<ErrorOf<C>>>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let session = &mut *self.0;
        let _lane = session.entered().frame_lane().enter();
        // If it unwinds, nothing is left to be set up or torn down.
        session.stage = Stage::Closed;
        match session.frame().poll_setup(cx) {
            Poll::Pending => {
                session.stage = Stage::Setup;
                Poll::Pending
            }
            Poll::Ready(Ok(resource)) => {
                session.stage = Stage::Open;
                Poll::Ready(Ok(Lent::new(resource, session.home)))
            }
            Poll::Ready(Err(not_entered)) => Poll::Ready(Err(not_entered)),
        }
    }
}

/// What running a body comes to.
pub struct BodyEnd<V, B, E>(Ended<V, B, E>);

/// Says where the yield point may poll a body: [`Threads::any`] or [`Threads::this`].
type Polled<W> = fn() -> Threads<W>;

/// A context with its body, from the end of its setup to that of its teardown.
pub(crate) struct Running<'s, 'a, C: AsyncContext, P: Policy<C>, Fut, V, B, Z> {
    session: &'s mut Session<'a, C, P>,
    run: Run<'s, 'a, C::Resource, Fut, V, B>,
    threads: Polled<Run<'s, 'a, C::Resource, Fut, V, B>>,
    settling: Settling,
    /// Of a context that has ended by itself: a timeout, or a body that was over in the same poll.
    early: Option<Box<Ended<V, B, ErrorOf<C>>>>,
    _finish: PhantomData<fn() -> Z>,
}

// The body is pinned elsewhere.
impl<C: AsyncContext, P: Policy<C>, Fut, V, B, Z> Unpin for Running<'_, '_, C, P, Fut, V, B, Z> {}

impl<C, P, Fut, V, B, Z> Future for Running<'_, '_, C, P, Fut, V, B, Z>
where
    Z: Finish<V, B, C::Kind>,
    C: AsyncContext,
    P: Policy<C>,
    Fut: Future<Output = Returned<C::Resource, V, B>>,
    B: Debug + 'static,
{
    type Output = Z::Output;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut kept = None;
        if let Stage::Open = this.session.stage {
            kept = if C::Place::INSIDE {
                ready!(this.poll_inside(cx))
            } else {
                let (resource, ending, kept) = ready!(this.run.poll_through(cx));
                this.session.resume(resource, ending);
                Some(kept)
            };
        }
        // Only what has to wait is put aside.
        match (this.poll_close(cx), kept) {
            (Poll::Ready(Closed::Torn(torn)), kept) => {
                let kept = kept.unwrap_or_else(|| this.run.take_kept());
                Poll::Ready(Z::finish(Ended::new(kept, torn), this.session.entered()))
            }
            (Poll::Ready(Closed::Early(ended)), _) => {
                Poll::Ready(Z::finish(*ended, this.session.entered()))
            }
            (Poll::Pending, kept) => {
                if let Some(kept) = kept {
                    this.run.keep(kept);
                }
                Poll::Pending
            }
        }
    }
}

impl<C, P, Fut, V, B, Z> Running<'_, '_, C, P, Fut, V, B, Z>
where
    C: AsyncContext,
    P: Policy<C>,
    Fut: Future<Output = Returned<C::Resource, V, B>>,
    B: Debug + 'static,
{
    /// Polls the body inside its context.
    fn poll_inside(&mut self, cx: &mut Context<'_>) -> Poll<Option<Kept<V, B>>> {
        let Running {
            session,
            run,
            threads,
            ..
        } = self;
        let _lane = session.entered().frame_lane().enter();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let threads = threads();
            session.frame().poll_body(cx, Body::new(run, threads))
        }));
        match polled {
            Ok(Poll::Pending) if run.is_over() => {
                let (resource, ending, kept) = run.resume();
                session.resume(resource, ending);
                return Poll::Ready(Some(kept));
            }
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(returned)) => self.ended_early(Ok(returned)),
            Err(payload) => self.ended_early(Err(payload)),
        }
        Poll::Ready(None)
    }

    #[cold]
    fn ended_early(&mut self, context: Torn<C>) {
        BodyPoll::cancel(&mut self.run);
        let body = self.run.take_outcome();
        self.session.stage = Stage::Early;
        let entered = self.session.entered();
        let frame = self.session.frame();
        self.early = Some(ended_early::<_, C::Kind, _, _>(
            frame, entered, context, body,
        ));
    }

    /// The teardown, after what has been started below the context; or, of a context that has ended by itself, that alone.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Closed<C, V, B>> {
        let Running {
            session,
            settling,
            early,
            ..
        } = self;
        let entered = session.entered();
        match session.stage {
            Stage::Waiting(exit) => {
                ready!(settling.poll(entered, cx));
                session.stage = Stage::Teardown(exit);
            }
            Stage::Early => {
                ready!(settling.poll(entered, cx));
                session.stage = Stage::Closed;
            }
            _ => {}
        }
        if let Some(ended) = early.take() {
            return Poll::Ready(Closed::Early(ended));
        }
        let Stage::Teardown(_) = session.stage else {
            panic!("a context was polled after its end");
        };
        let torn = ready!(teardown::poll(session.frame(), entered, cx));
        session.stage = Stage::Closed;
        Poll::Ready(Closed::Torn(torn))
    }
}

/// The end of a context.
enum Closed<C: AsyncContext, V, B> {
    Torn((Torn<C>, Option<Ending>)),
    /// It had ended by itself before.
    Early(Box<Ended<V, B, ErrorOf<C>>>),
}

/// The end of a context that has come to `context` without waiting for its body, which had come to `body`.
fn ended_early<T, K: Kind, V, B>(
    frame: Pin<&mut AnyContext<'_, T, K>>,
    entered: &Entered,
    context: TornOf<K>,
    body: Option<thread::Result<Result<V, B>>>,
) -> Box<Ended<V, B, K::Error>> {
    let (context, _) = finish_late(frame, entered, context);
    Box::new(Ended::Otherwise(Came {
        body,
        suppressed: false,
        context,
    }))
}

/// What block style says at a context's end.
impl<C: AsyncContext, P: Policy<C>> Session<'_, C, P> {
    /// The end of a context whose body returns a `Result`.
    pub fn returned<V, B>(&self, end: BodyEnd<V, B, ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
        B: Debug + Send + 'static,
    {
        end.0.into_result::<C::Kind>(self.entered())
    }

    /// The setup of a context whose body would return a `Result` has failed.
    pub fn refused<V, B>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
    {
        match not_entered {
            NotEntered::Failed(error) => Err(C::Kind::raise(error)),
            NotEntered::Skipped(_) => Ok(missing::<C::Kind, V>(self.entered().definition)),
        }
    }

    /// [`returned`](Session::returned), for a function that returns the value itself.
    pub fn returned_whole<V, B>(&self, end: BodyEnd<V, B, ErrorOf<C>>) -> Result<V, B>
    where
        C::Kind: RaiseAs<B>,
        SuppressionOf<C>: Whole<V>,
        B: Debug + Send + 'static,
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
    pub fn returned_or_panic<V>(&self, end: BodyEnd<V, Never, ErrorOf<C>>) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        let definition = self.entered().definition;
        let out = match end.0.into_outcome::<C::Kind>(self.entered()) {
            Outcome {
                context: Err(error),
                ..
            } => panic!("{definition} failed: {error:?}"),
            Outcome { body, .. } => match body {
                Some(Ok(value)) => SuppressionOf::<C>::value(value),
                Some(Err(never)) => match never {},
                None => missing::<C::Kind, V>(definition),
            },
        };
        Ok(<SuppressionOf<C> as Whole<V>>::whole(out))
    }

    /// The setup of a context whose body would return a plain value has failed.
    ///
    /// # Panics
    /// If it has an error.
    pub fn refused_or_panic<V>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        match not_entered {
            NotEntered::Failed(error) => panic!("{} failed: {error:?}", self.entered().definition),
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
        if let Stage::Closed = self.stage {
            return self.entered().leave_parts();
        }
        self.abandon();
    }
}

impl<C: AsyncContext, P: Policy<C>> Session<'_, C, P> {
    #[cold]
    fn abandon(&mut self) {
        let mut at = self.stage.abandoned(self.home);
        match at {
            Some(_) => {
                self.storage
                    .as_mut()
                    .abandon::<P>(&self.home.entered, &mut self.origin, &mut at)
            }
            None => self.entered().leave_all(),
        }
    }
}

impl Stage {
    /// How far a context had come whose caller is gone, with its resource; `None` if it was over early.
    fn abandoned<R>(self, home: &Home<R>) -> Option<Abandoned<R>> {
        match self {
            Stage::Setup => Some(Abandoned::Setup),
            Stage::Open => Some(match home.take() {
                Some(resource) => Abandoned::Open(resource),
                None => Abandoned::Teardown(ExitKind::Cancelled),
            }),
            Stage::Waiting(exit) => Some(Abandoned::Waiting(exit)),
            Stage::Teardown(exit) => Some(Abandoned::Teardown(exit)),
            Stage::Early | Stage::Closed => None,
        }
    }
}
