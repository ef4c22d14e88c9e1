//! Closure and block style: a context around a body that it polls inside its yield point.

mod caught;
mod lent;
mod run;

pub use caught::caught;
pub(crate) use lent::Home;
pub(crate) use lent::Lent;

use crate::{
    AsyncContext, ExitKind, Outcome,
    background::{Entered, Settling},
    frame::{AnyContext, Ending, NotEntered, Progress, Ran, Threads, WholeBody, never_yielded},
    kind::{Kind, Never, Out, RaiseAs, Suppression, Whole},
    outcome::{Ended, missing},
    policy::{Abandoned, Policy, Storage},
    teardown::{self, Keep, Torn, TornOf, finish, finish_late, keep_error},
};
use run::Run;
use std::{
    fmt::Debug,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
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
    #[inline]
    fn resume(&mut self, resource: Option<C::Resource>, ending: Ending) {
        self.stage = Stage::Waiting(ending.kind());
        match resource {
            Some(resource) => self.frame().resume(resource, ending),
            None => drop(self.frame().resume_evicted(ending)),
        }
    }

    /// Runs the setup alone.
    fn poll_setup(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Lent<'a, C::Resource>, NotEntered<ErrorOf<C>>>> {
        let _lane = self.entered().frame_lane().enter();
        // If it unwinds, nothing is left to be set up or torn down.
        self.stage = Stage::Closed;
        match self.frame().poll_setup(cx) {
            Poll::Pending => {
                self.stage = Stage::Setup;
                Poll::Pending
            }
            Poll::Ready(Ok(resource)) => {
                self.stage = Stage::Open;
                Poll::Ready(Ok(Lent::new(resource, self.home)))
            }
            Poll::Ready(Err(not_entered)) => Poll::Ready(Err(not_entered)),
        }
    }

    /// [`poll_setup`](Session::poll_setup) as a future.
    pub async fn setup(&mut self) -> Result<Lent<'a, C::Resource>, NotEntered<ErrorOf<C>>> {
        poll_fn(|cx| self.poll_setup(cx)).await
    }

    /// Runs setup, body and teardown. `make` makes the body, whose place is `body`.
    #[inline]
    pub(crate) fn whole<'s, V, B, M, Fut>(
        &'s mut self,
        body: Pin<&'s mut Option<Fut>>,
        make: M,
        threads: Polled<Run<'s, 'a, C::Resource, M, Fut, V, B>>,
        keep: Keep<B>,
    ) -> Running<'s, 'a, C, P, M, Fut, V, B>
    where
        M: FnOnce(Lent<'a, C::Resource>) -> Fut,
        Fut: Future<Output = Returned<C::Resource, V, B>>,
        B: Debug + 'static,
    {
        let run = Run::new(body, Some(make), self.home, keep);
        Running::new(self, run, threads)
    }

    /// Runs body and teardown, after the setup. On the body's thread only.
    pub async fn run<'s, V, B, Fut>(
        &'s mut self,
        body: Pin<&'s mut Option<Fut>>,
    ) -> BodyEnd<V, B, ErrorOf<C>>
    where
        Fut: Future<Output = Returned<C::Resource, V, B>>,
        B: Debug + Send + 'static,
    {
        type Makes<'a, R, Fut> = fn(Lent<'a, R>) -> Fut;
        self.frame().begin_body();
        let run = Run::new(body, None::<Makes<'a, _, _>>, self.home, keep_error);
        match Running::new(self, run, Threads::this).await {
            Ok(ended) => BodyEnd(ended),
            Err(_) => unreachable!("the setup is over"),
        }
    }
}

/// What running a body comes to.
pub struct BodyEnd<V, B, E>(Ended<V, B, E>);

/// Says where the yield point may poll a body: [`Threads::any`] or [`Threads::this`].
type Polled<W> = fn() -> Threads<W>;

/// A context with its body, from its setup to the end of its teardown.
pub(crate) struct Running<'s, 'a, C: AsyncContext, P: Policy<C>, M, Fut, V, B> {
    session: &'s mut Session<'a, C, P>,
    run: Run<'s, 'a, C::Resource, M, Fut, V, B>,
    threads: Polled<Run<'s, 'a, C::Resource, M, Fut, V, B>>,
    settling: Settling,
    /// Of a context that has ended by itself: a timeout, or a body that was over in the same poll.
    early: Option<Box<Ended<V, B, ErrorOf<C>>>>,
}

impl<'s, 'a, C: AsyncContext, P: Policy<C>, M, Fut, V, B> Running<'s, 'a, C, P, M, Fut, V, B> {
    #[inline]
    fn new(
        session: &'s mut Session<'a, C, P>,
        run: Run<'s, 'a, C::Resource, M, Fut, V, B>,
        threads: Polled<Run<'s, 'a, C::Resource, M, Fut, V, B>>,
    ) -> Self {
        Running {
            session,
            run,
            threads,
            settling: Settling::default(),
            early: None,
        }
    }
}

// The body is pinned elsewhere.
impl<C: AsyncContext, P: Policy<C>, M, Fut, V, B> Unpin for Running<'_, '_, C, P, M, Fut, V, B> {}

impl<'a, C, P, M, Fut, V, B> Future for Running<'_, 'a, C, P, M, Fut, V, B>
where
    C: AsyncContext,
    P: Policy<C>,
    M: FnOnce(Lent<'a, C::Resource>) -> Fut,
    Fut: Future<Output = Returned<C::Resource, V, B>>,
    B: Debug + 'static,
{
    type Output = Result<Ended<V, B, ErrorOf<C>>, NotEntered<ErrorOf<C>>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.is_outside() {
            let (resource, ending) = ready!(this.run.poll_outside(cx));
            let _lane = this.session.entered().frame_lane().enter();
            this.session.resume(resource, ending);
        } else if let Stage::Setup | Stage::Open = this.session.stage {
            if let Some(torn) = ready!(this.poll_whole(cx))? {
                return Poll::Ready(Ok(Ended::new(this.run.take_kept(), torn)));
            }
        }
        this.poll_close(cx).map(Ok)
    }
}

impl<'a, C, P, M, Fut, V, B> Running<'_, 'a, C, P, M, Fut, V, B>
where
    C: AsyncContext,
    P: Policy<C>,
    M: FnOnce(Lent<'a, C::Resource>) -> Fut,
    Fut: Future<Output = Returned<C::Resource, V, B>>,
    B: Debug + 'static,
{
    /// Whether the body needn't be polled inside its context: polling that would only lead back here.
    #[inline]
    fn is_outside(&mut self) -> bool {
        matches!(self.session.stage, Stage::Open)
            && self.run.progress() == Progress::Open
            && !self.session.frame().polls_body()
    }

    /// Setup and body, and the teardown if that may follow at once.
    #[inline]
    fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<(Torn<C>, Option<Ending>)>, NotEntered<ErrorOf<C>>>> {
        let Running {
            session,
            run,
            threads,
            ..
        } = self;
        let entered = session.entered();
        let _lane = entered.frame_lane().enter();
        // If the setup unwinds, nothing is left to be set up or torn down.
        session.stage = Stage::Closed;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let threads = threads();
            session.frame().poll_whole(cx, WholeBody::new(run, threads))
        }));
        let context = match polled {
            Ok(Poll::Pending) if run.progress() == Progress::Over => {
                let (resource, ending) = run.resume();
                session.resume(resource, ending);
                return Poll::Ready(Ok(None));
            }
            Ok(Poll::Pending) => {
                session.stage = match run.progress() {
                    Progress::Unopened => Stage::Setup,
                    Progress::Resumed(exit) => Stage::Teardown(exit),
                    // A context that has dropped its yield point goes on without it.
                    _ => Stage::Open,
                };
                return Poll::Pending;
            }
            Ok(Poll::Ready(Ran::NotEntered(not_entered))) => {
                return Poll::Ready(Err(not_entered));
            }
            Ok(Poll::Ready(Ran::Returned(returned))) => Ok(returned),
            Err(payload) => Err(payload),
        };
        match (run.progress(), context) {
            // Said anew, and not copied from where it was returned.
            (Progress::Resumed(_), Ok(Ok(()))) => {
                Poll::Ready(Ok(Some(finish(session.frame(), entered, Ok(Ok(()))))))
            }
            (Progress::Resumed(_), context) => {
                Poll::Ready(Ok(Some(finish(session.frame(), entered, context))))
            }
            (Progress::Unopened, Ok(Err(error))) => Poll::Ready(Err(NotEntered::Failed(error))),
            (Progress::Unopened, Ok(Ok(()))) => never_yielded(entered.definition),
            (Progress::Unopened, Err(payload)) => resume_unwind(payload),
            (_, context) => {
                self.ended_early(context);
                Poll::Ready(Ok(None))
            }
        }
    }

    #[cold]
    fn ended_early(&mut self, context: Torn<C>) {
        if self.run.progress() != Progress::Cancelled {
            crate::frame::BodyPoll::cancel(&mut self.run);
        }
        let body = self.run.take_outcome();
        self.session.stage = Stage::Early;
        let entered = self.session.entered();
        let frame = self.session.frame();
        self.early = Some(ended_early::<_, C::Kind, _, _>(
            frame, entered, context, body,
        ));
    }

    /// The teardown, after what has been started below the context; or, of a context that has ended by itself, that alone.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Ended<V, B, ErrorOf<C>>> {
        let Running {
            session,
            run,
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
            return Poll::Ready(*ended);
        }
        let Stage::Teardown(_) = session.stage else {
            panic!("a context was polled after its end");
        };
        let torn = ready!(teardown::poll(session.frame(), entered, cx));
        session.stage = Stage::Closed;
        Poll::Ready(Ended::new(run.take_kept(), torn))
    }
}

/// The end of a context that has come to `context` without waiting for its body, which had come to `body`.
fn ended_early<T, K: Kind, V, B>(
    frame: Pin<&mut AnyContext<'_, T, K>>,
    entered: &Entered,
    context: TornOf<K>,
    body: Option<thread::Result<Result<V, B>>>,
) -> Box<Ended<V, B, K::Error>> {
    let (context, _) = finish_late(frame, entered, context);
    Box::new(Ended {
        body,
        suppressed: false,
        context,
    })
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
