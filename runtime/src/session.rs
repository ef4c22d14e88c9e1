//! Closure and block style: a context around a body that it polls inside its yield point.

use crate::{
    AsyncContext, ExitKind,
    background::{Below, Entered, Settling, Style},
    frame::{Body, BodyPoll, NotEntered, Payload},
    kind::{Kind, Never, Out, RaiseAs, Suppression, Whole},
    outcome::{Ended, Outcome, missing},
    policy::{Abandoned, Policy, Storage},
    report,
    teardown::{self, Keep, Kept, Torn, finish, keep_error},
    trace::BodySpan,
};
use std::{
    fmt::Debug,
    future::poll_fn,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
    thread,
};

type ErrorOf<C> = <<C as AsyncContext>::Kind as Kind>::Error;
type SuppressionOf<C> = <<C as AsyncContext>::Kind as Kind>::Suppression;

/// Where a resource goes back to when its body is dropped.
pub struct Home<R>(Mutex<Option<R>>);

impl<R> Home<R> {
    /// Nobody is home yet.
    #[expect(clippy::new_without_default, reason = "made in one place, by name")]
    pub fn new() -> Self {
        Home(Mutex::new(None))
    }

    fn put(&self, resource: R) {
        let old = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(resource);
        drop(old);
    }

    fn take(&self) -> Option<R> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The resource while the body has it. It goes home when the body is dropped.
pub struct Lent<'h, R> {
    resource: Option<R>,
    home: &'h Home<R>,
}

impl<'h, R> Lent<'h, R> {
    fn new(resource: R, home: &'h Home<R>) -> Self {
        Lent {
            resource: Some(resource),
            home,
        }
    }

    fn into_inner(mut self) -> Option<R> {
        self.resource.take()
    }
}

impl<R> Deref for Lent<'_, R> {
    type Target = R;
    fn deref(&self) -> &R {
        self.resource.as_ref().expect("taken out only by value")
    }
}

impl<R> DerefMut for Lent<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        self.resource.as_mut().expect("taken out only by value")
    }
}

impl<R> Drop for Lent<'_, R> {
    fn drop(&mut self) {
        if let Some(resource) = self.resource.take() {
            self.home.put(resource);
        }
    }
}

/// A body's outcome, and the resource back from it.
pub(crate) type Returned<'h, R, O> = (Lent<'h, R>, thread::Result<O>);

/// Something that may hold a body's resource.
pub trait Holds<R> {
    fn take_resource(&mut self) -> Option<R>;
}

impl<R, O> Holds<R> for Returned<'_, R, O> {
    fn take_resource(&mut self) -> Option<R> {
        self.0.resource.take()
    }
}

/// Polls a body's future to its end and drops it, catching its panics.
pub(crate) fn poll_caught<Fut: Future>(
    mut body: Pin<&mut Option<Fut>>,
    cx: &mut Context<'_>,
) -> Poll<thread::Result<Fut::Output>> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let Some(future) = body.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let polled = future.poll(cx);
        if polled.is_ready() {
            // Before the resource moves: a future that is over may still use it in its destructor.
            body.set(None);
        }
        polled
    }));
    match polled {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(unwound(body, payload))),
    }
}

/// Drops a body that has unwound.
#[cold]
fn unwound<Fut: Future>(mut body: Pin<&mut Option<Fut>>, payload: Payload) -> Payload {
    match catch_unwind(AssertUnwindSafe(|| body.set(None))) {
        Ok(()) => payload,
        Err(second) => Box::new(Twice {
            first: payload,
            second,
        }),
    }
}

/// A body that panicked, and again while it was dropped: for its session, which knows what to report.
struct Twice {
    first: Payload,
    second: Payload,
}

/// The panic that goes to the caller. A second one is reported.
#[cold]
fn first_of(entered: &Entered, payload: Payload) -> Payload {
    match payload.downcast::<Twice>() {
        Ok(twice) => {
            report::second_panic(entered, twice.second);
            twice.first
        }
        Err(payload) => payload,
    }
}

/// `poll_caught` as a future.
pub async fn caught<Fut: Future>(mut body: Pin<&mut Option<Fut>>) -> thread::Result<Fut::Output> {
    poll_fn(|cx| poll_caught(body.as_mut(), cx)).await
}

/// A body's future while the yield point polls it.
pub struct Run<'a, R, Fut: Future> {
    body: Pin<&'a mut Option<Fut>>,
    home: &'a Home<R>,
    entered: Entered,
    span: BodySpan,
    end: Option<End<Fut::Output>>,
    /// The yield point was dropped, perhaps in the very poll in which the body was over.
    cancelled: bool,
}

enum End<O> {
    Returned(O),
    /// Its context dropped it; its destructor may have panicked.
    Dropped(Option<Payload>),
}

impl<R, Fut: Future<Output: Holds<R>>> BodyPoll<R> for Run<'_, R, Fut> {
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let (None, Some(body)) = (&self.end, self.body.as_mut().as_pin_mut()) else {
            return true;
        };
        let _lane = self.entered.body_lane().enter();
        let _span = self.span.enter(self.entered.definition);
        match body.poll(cx) {
            Poll::Pending => false,
            Poll::Ready(returned) => {
                self.end = Some(End::Returned(returned));
                true
            }
        }
    }

    #[cold]
    fn cancel(&mut self) {
        self.cancelled = true;
        let lane = self.entered.body_lane().enter();
        let (body, resource) = self.take_apart();
        let resource = catch_unwind(AssertUnwindSafe(|| drop(resource)));
        drop(lane);
        self.ended_with(body.err(), resource.err());
    }

    #[cold]
    fn evict(&mut self) -> Option<R> {
        // A body that is over tells how, as if it still had its resource.
        self.cancelled = self.end.is_none();
        let lane = self.entered.body_lane().enter();
        let (body, resource) = self.take_apart();
        drop(lane);
        self.ended_with(body.err(), None);
        resource
    }

    fn below(&self) -> Below {
        self.entered.below(true)
    }

    fn lingers(&self) -> bool {
        false
    }
}

impl<R, Fut: Future<Output: Holds<R>>> Run<'_, R, Fut> {
    /// Drops the body, and finds its resource: at home, or with what a body that was over in this very poll has returned.
    fn take_apart(&mut self) -> (thread::Result<()>, Option<R>) {
        let _span = self.span.enter(self.entered.definition);
        let body = catch_unwind(AssertUnwindSafe(|| self.body.set(None)));
        let resource = match &mut self.end {
            Some(End::Returned(returned)) => returned.take_resource(),
            _ => None,
        };
        (body, resource.or_else(|| self.home.take()))
    }

    /// The body was dropped, with these panics.
    fn ended_with(&mut self, body: Option<Payload>, resource: Option<Payload>) {
        let mut panics = [body, resource].into_iter().flatten();
        let first = panics.next();
        if let Some(second) = panics.next() {
            report::second_panic(&self.entered, second);
        }
        if self.end.is_none() {
            self.end = Some(End::Dropped(first));
        } else if let Some(first) = first {
            report::second_panic(&self.entered, first);
        }
        if self.cancelled {
            self.entered.leave_body();
        }
    }
}

impl<R, Fut: Future> Drop for Run<'_, R, Fut> {
    fn drop(&mut self) {
        if self.end.is_none() {
            self.abandon();
        }
    }
}

impl<R, Fut: Future> Run<'_, R, Fut> {
    /// Drops a body that isn't over, which sends its resource home.
    #[cold]
    fn abandon(&mut self) {
        let _lane = self.entered.body_lane().enter();
        let _span = self.span.enter(self.entered.definition);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.body.set(None))) {
            if thread::panicking() {
                report::second_panic(&self.entered, payload);
            } else {
                resume_unwind(payload);
            }
        }
    }
}

/// Lets the yield point poll a `Send` body on any thread.
pub(crate) fn sendable<'a, R: Send, Fut>(run: &'a mut Run<'_, R, Fut>) -> Body<'a, R>
where
    Fut: Future<Output: Holds<R> + Send> + Send,
{
    Body::sendable(run)
}

/// Lets the yield point poll a body on this thread only.
pub fn local<'a, R, Fut>(run: &'a mut Run<'_, R, Fut>) -> Body<'a, R>
where
    Fut: Future<Output: Holds<R>>,
{
    Body::local(run)
}

/// A context with its body running inside it. Dropped before its end, it leaves the frame to the policy.
pub struct Session<'a, C: AsyncContext, P: Policy<C>> {
    storage: Pin<&'a mut P::Storage>,
    home: &'a Home<C::Resource>,
    entered: Entered,
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

/// What running a body comes to.
pub struct BodyEnd<'h, R, O, E> {
    end: Option<End<Returned<'h, R, O>>>,
    /// The context ended without waiting for the body's end.
    early: Option<thread::Result<Result<(), E>>>,
}

impl<'a, C: AsyncContext, P: Policy<C>> Session<'a, C, P> {
    /// Nothing runs before [`poll_setup`](Session::poll_setup).
    pub fn new(
        mut storage: Pin<&'a mut P::Storage>,
        home: &'a Home<C::Resource>,
        at: &'static Location<'static>,
    ) -> Self {
        let definition = storage.as_mut().frame().definition();
        Session {
            storage,
            home,
            entered: Entered::now(definition, at, Style::Body),
            origin: Some(P::origin()),
            stage: Stage::Setup,
        }
    }

    /// Where and when the context was entered.
    pub(crate) fn entered(&self) -> &Entered {
        &self.entered
    }

    fn frame(&mut self) -> Pin<&mut C> {
        self.storage.as_mut().frame()
    }

    /// Runs the setup.
    pub fn poll_setup(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Lent<'a, C::Resource>, NotEntered<ErrorOf<C>>>> {
        let _lane = self.entered.in_frame();
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

    /// Runs the body inside the yield point.
    pub fn run<'s, O, Fut>(
        &'s mut self,
        body: Pin<&'s mut Option<Fut>>,
        erase: Erase<C::Resource, Fut>,
    ) -> Running<'s, 'a, C, P, Fut>
    where
        Fut: Future<Output = Returned<'a, C::Resource, O>>,
    {
        self.frame().begin_body();
        let run = Run {
            body,
            home: self.home,
            entered: self.entered,
            span: BodySpan::none(),
            end: None,
            cancelled: false,
        };
        Running {
            session: self,
            run,
            erase,
        }
    }

    /// Runs the teardown, unless the context has ended already.
    pub(crate) fn close<V, B: Debug + 'static>(
        &mut self,
        end: BodyEnd<'a, C::Resource, Result<V, B>, ErrorOf<C>>,
        keep: Keep<B>,
    ) -> Closing<'_, 'a, C, P, V, B> {
        let BodyEnd { end, early } = end;
        let closing = match early {
            None => self.resume(end, keep),
            Some(context) => self.ended_early(end, context),
        };
        Closing {
            session: self,
            closing: Some(closing),
        }
    }

    fn resume<V, B: Debug + 'static>(
        &mut self,
        end: Option<End<Returned<'a, C::Resource, Result<V, B>>>>,
        keep: Keep<B>,
    ) -> Close<V, B, ErrorOf<C>> {
        let (resource, body) = match end {
            Some(End::Returned((lent, returned))) => {
                let entered = &self.entered;
                (
                    lent.into_inner(),
                    returned.map_err(|payload| first_of(entered, payload)),
                )
            }
            Some(End::Dropped(_)) | None => {
                (None, Err(Box::new("the body has not ended") as Payload))
            }
        };
        let (ending, kept) = Kept::split(body, keep);
        self.stage = Stage::Waiting(ending.kind());
        match resource {
            Some(resource) => self.frame().resume(resource, ending),
            None => drop(self.frame().resume_evicted(ending)),
        }
        Close::TearDown(Settling::default(), kept)
    }

    /// The context has ended by itself: a timeout, or a body that was over in the same poll.
    fn ended_early<V, B: Debug + 'static>(
        &mut self,
        end: Option<End<Returned<'a, C::Resource, Result<V, B>>>>,
        context: Torn<C>,
    ) -> Close<V, B, ErrorOf<C>> {
        let body = match end {
            Some(End::Returned((_, returned))) => {
                Some(returned.map_err(|payload| first_of(&self.entered, payload)))
            }
            Some(End::Dropped(Some(payload))) => Some(Err(payload)),
            Some(End::Dropped(None)) | None => None,
        };
        self.stage = Stage::Early;
        let entered = self.entered;
        let (context, _) = finish(self.frame(), &entered, context);
        let ended = Ended {
            body,
            suppressed: false,
            context,
        };
        Close::Settle(Settling::default(), ended)
    }
}

/// Makes the body reachable for the yield point: on any thread, or on its own.
pub(crate) type Erase<R, Fut> = for<'x, 'y> fn(&'x mut Run<'y, R, Fut>) -> Body<'x, R>;

/// A body that runs inside its context's yield point.
pub struct Running<'s, 'a, C: AsyncContext, P: Policy<C>, Fut: Future> {
    session: &'s mut Session<'a, C, P>,
    run: Run<'s, C::Resource, Fut>,
    erase: Erase<C::Resource, Fut>,
}

// The body is pinned elsewhere.
impl<C: AsyncContext, P: Policy<C>, Fut: Future> Unpin for Running<'_, '_, C, P, Fut> {}

impl<'a, C, P, O, Fut> Future for Running<'_, 'a, C, P, Fut>
where
    C: AsyncContext,
    P: Policy<C>,
    Fut: Future<Output = Returned<'a, C::Resource, O>>,
{
    type Output = BodyEnd<'a, C::Resource, O, ErrorOf<C>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _lane = this.session.entered.in_frame();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            this.session
                .frame()
                .poll_body(cx, (this.erase)(&mut this.run))
        }));
        let early = match polled {
            Ok(Poll::Ready(early)) => Some(Ok(early)),
            // A context that has dropped its yield point goes on without it.
            Ok(Poll::Pending) if this.run.end.is_none() || this.run.cancelled => {
                return Poll::Pending;
            }
            Ok(Poll::Pending) => None,
            Err(payload) => Some(Err(payload)),
        };
        if early.is_some() && !this.run.cancelled {
            this.run.cancel();
        }
        Poll::Ready(BodyEnd {
            end: this.run.end.replace(End::Dropped(None)),
            early,
        })
    }
}

/// A context whose body is over, on its way to its own end.
pub(crate) struct Closing<'s, 'a, C: AsyncContext, P: Policy<C>, V, B> {
    session: &'s mut Session<'a, C, P>,
    closing: Option<Close<V, B, ErrorOf<C>>>,
}

enum Close<V, B, E> {
    TearDown(Settling, Kept<V, B>),
    /// What the body had entered is rolled back before anything outside goes on.
    Settle(Settling, Ended<V, B, E>),
}

// Nothing in it is pinned.
impl<C: AsyncContext, P: Policy<C>, V, B> Unpin for Closing<'_, '_, C, P, V, B> {}

impl<C, P, V, B> Future for Closing<'_, '_, C, P, V, B>
where
    C: AsyncContext,
    P: Policy<C>,
    B: Debug + 'static,
{
    type Output = Ended<V, B, ErrorOf<C>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let entered = this.session.entered;
        let torn = match &mut this.closing {
            Some(Close::TearDown(settling, _)) => {
                if let Stage::Waiting(exit) = this.session.stage {
                    ready!(settling.poll(&entered, cx));
                    this.session.stage = Stage::Teardown(exit);
                }
                Some(ready!(teardown::poll(this.session.frame(), &entered, cx)))
            }
            Some(Close::Settle(settling, _)) => {
                ready!(settling.poll(&entered, cx));
                None
            }
            None => None,
        };
        this.session.stage = Stage::Closed;
        match (this.closing.take(), torn) {
            (Some(Close::TearDown(_, kept)), Some(torn)) => Poll::Ready(Ended::new(kept, torn)),
            (Some(Close::Settle(_, ended)), _) => Poll::Ready(ended),
            _ => panic!("a context was polled after its end"),
        }
    }
}

/// What block style says at a context's end.
impl<'a, C: AsyncContext, P: Policy<C>> Session<'a, C, P> {
    /// The end of a context whose body returns a `Result`.
    pub async fn returned<V, B>(
        &mut self,
        end: BodyEnd<'a, C::Resource, Result<V, B>, ErrorOf<C>>,
    ) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
        B: Debug + Send + 'static,
    {
        let ended = self.close(end, keep_error).await;
        ended.into_result::<C::Kind>(&self.entered)
    }

    /// The setup of a context whose body would return a `Result` has failed.
    pub fn refused<V, B>(&self, not_entered: NotEntered<ErrorOf<C>>) -> Result<Out<C::Kind, V>, B>
    where
        C::Kind: RaiseAs<B>,
    {
        match not_entered {
            NotEntered::Failed(error) => Err(C::Kind::raise(error)),
            NotEntered::Skipped(_) => Ok(missing::<C::Kind, V>(self.entered.definition)),
        }
    }

    /// [`returned`](Session::returned), for a function that returns the value itself.
    pub async fn returned_whole<V, B>(
        &mut self,
        end: BodyEnd<'a, C::Resource, Result<V, B>, ErrorOf<C>>,
    ) -> Result<V, B>
    where
        C::Kind: RaiseAs<B>,
        SuppressionOf<C>: Whole<V>,
        B: Debug + Send + 'static,
    {
        self.returned(end)
            .await
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
    pub async fn returned_or_panic<V>(
        &mut self,
        end: BodyEnd<'a, C::Resource, Result<V, Never>, ErrorOf<C>>,
    ) -> Result<V, Never>
    where
        SuppressionOf<C>: Whole<V>,
    {
        let definition = self.entered.definition;
        let ended = self.close(end, keep_error).await;
        let out = match ended.into_outcome::<C::Kind>(&self.entered) {
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
            NotEntered::Failed(error) => panic!("{} failed: {error:?}", self.entered.definition),
            NotEntered::Skipped(_) => {
                let out = missing::<C::Kind, V>(self.entered.definition);
                Ok(<SuppressionOf<C> as Whole<V>>::whole(out))
            }
        }
    }
}

impl<C: AsyncContext, P: Policy<C>> Drop for Session<'_, C, P> {
    fn drop(&mut self) {
        let at = match self.stage {
            Stage::Setup => Abandoned::Setup,
            Stage::Open => match self.home.take() {
                Some(resource) => Abandoned::Open(resource),
                None => Abandoned::Teardown(ExitKind::Cancelled),
            },
            Stage::Waiting(exit) => Abandoned::Waiting(exit),
            Stage::Teardown(exit) => Abandoned::Teardown(exit),
            Stage::Early => return self.entered.leave_all(),
            Stage::Closed => return self.entered.leave_parts(),
        };
        if let Some(origin) = self.origin.take() {
            self.storage.as_mut().abandon::<P>(self.entered, origin, at);
        }
    }
}
