//! Closure and block style: a context around a body that it polls inside its yield point.

use crate::{
    AsyncContext, ExitKind,
    background::{Entered, Lane, Style},
    frame::{Body, BodyPoll, Ending, Payload},
    kind::Kind,
    outcome::Ended,
    policy::{Abandoned, Policy, Storage},
    report,
    site::Definition,
    teardown::{Keep, Kept, Torn, finish, tear_down},
};
use std::{
    fmt::Debug,
    future::poll_fn,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    thread,
};

type ErrorOf<C> = <<C as AsyncContext>::Kind as Kind>::Error;

/// Where a resource goes back to when its body is dropped.
pub struct Home<R>(Mutex<Option<R>>);

impl<R> Home<R> {
    pub(crate) fn new() -> Self {
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
pub type Returned<'h, R, O> = (Lent<'h, R>, thread::Result<O>);

/// Polls a body's future to its end and drops it, catching its panics.
pub async fn caught<O>(body: impl Future<Output = O>) -> thread::Result<O> {
    let mut body = pin!(Some(body));
    let mut returned = poll_fn(|cx| {
        let Some(future) = body.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    })
    .await;
    // Before the resource moves: a future that is over may still use it in its destructor.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body.set(None))) {
        if returned.is_ok() {
            returned = Err(payload);
        } else {
            report::discard(payload);
        }
    }
    returned
}

/// A body's future while the yield point polls it.
pub struct Run<'a, R, Fut: Future> {
    body: Pin<&'a mut Option<Fut>>,
    home: &'a Home<R>,
    lane: Lane,
    definition: Definition,
    end: Option<End<Fut::Output>>,
}

enum End<O> {
    Returned(O),
    /// Its future unwound.
    Unwound(Payload),
    /// Its context dropped it; its destructor may have panicked.
    Dropped(Option<Payload>),
}

impl<R, Fut: Future> BodyPoll for Run<'_, R, Fut> {
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(body) = self.body.as_mut().as_pin_mut() else {
            return true;
        };
        let _lane = self.lane.enter();
        self.end = match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(returned)) => Some(End::Returned(returned)),
            Err(payload) => {
                if let Err(second) = catch_unwind(AssertUnwindSafe(|| self.body.set(None))) {
                    report::panic_in_drop(self.definition, second);
                }
                Some(End::Unwound(payload))
            }
        };
        true
    }

    fn cancel(&mut self) {
        if self.body.is_none() {
            return;
        }
        let _lane = self.lane.enter();
        let body = catch_unwind(AssertUnwindSafe(|| self.body.set(None)));
        let resource = catch_unwind(AssertUnwindSafe(|| drop(self.home.take())));
        let mut panics = [body.err(), resource.err()].into_iter().flatten();
        let first = panics.next();
        if let Some(second) = panics.next() {
            report::panic_in_drop(self.definition, second);
        }
        if self.end.is_none() {
            self.end = Some(End::Dropped(first));
        } else if let Some(first) = first {
            report::panic_in_drop(self.definition, first);
        }
    }
}

impl<R, Fut: Future> Run<'_, R, Fut> {
    /// Drops the body, which sends its resource home.
    fn drop_body(&mut self) -> thread::Result<()> {
        let _lane = self.lane.enter();
        catch_unwind(AssertUnwindSafe(|| self.body.set(None)))
    }
}

impl<R, Fut: Future> Drop for Run<'_, R, Fut> {
    fn drop(&mut self) {
        if let Err(payload) = self.drop_body() {
            if thread::panicking() {
                report::panic_in_drop(self.definition, payload);
            } else {
                resume_unwind(payload);
            }
        }
    }
}

/// Lets the yield point poll a `Send` body on any thread.
pub fn sendable<'a, R: Send, Fut>(run: &'a mut Run<'_, R, Fut>) -> Body<'a>
where
    Fut: Future<Output: Send> + Send,
{
    Body::sendable(run)
}

/// Lets the yield point poll a body on this thread only.
pub fn local<'a, R, Fut: Future>(run: &'a mut Run<'_, R, Fut>) -> Body<'a> {
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
    Teardown(ExitKind),
    Closed,
}

/// What running a body comes to.
pub struct BodyEnd<'h, R, O, E> {
    end: Option<End<Returned<'h, R, O>>>,
    /// The context ended without waiting for the body's end.
    early: Option<thread::Result<Result<(), E>>>,
}

impl<'a, C: AsyncContext, P: Policy<C>> Session<'a, C, P> {
    /// Nothing runs before [`setup`](Session::setup).
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

    fn frame(&mut self) -> Pin<&mut C> {
        self.storage.as_mut().frame()
    }

    /// Runs the setup.
    pub async fn setup(&mut self) -> Result<Lent<'a, C::Resource>, ErrorOf<C>> {
        let set_up = poll_fn(|cx| self.frame().poll_setup(cx)).await;
        let resource = set_up.inspect_err(|_| self.stage = Stage::Closed)?;
        self.stage = Stage::Open;
        Ok(Lent::new(resource, self.home))
    }

    /// Runs the body inside the yield point.
    pub async fn run<O, Fut>(
        &mut self,
        body: Fut,
        erase: for<'x, 'y> fn(&'x mut Run<'y, C::Resource, Fut>) -> Body<'x>,
    ) -> BodyEnd<'a, C::Resource, O, ErrorOf<C>>
    where
        Fut: Future<Output = Returned<'a, C::Resource, O>>,
    {
        let body = pin!(Some(body));
        let mut run = Run {
            body,
            home: self.home,
            lane: self.entered.body_lane(),
            definition: self.entered.definition,
            end: None,
        };
        self.frame().begin_body();
        let early = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                self.frame().poll_body(cx, erase(&mut run))
            }));
            match polled {
                Ok(Poll::Ready(early)) => Poll::Ready(Some(Ok(early))),
                Ok(Poll::Pending) => match run.end {
                    Some(End::Returned(_) | End::Unwound(_)) => Poll::Ready(None),
                    // A context that has dropped its body goes on without it.
                    Some(End::Dropped(_)) | None => Poll::Pending,
                },
                Err(payload) => Poll::Ready(Some(Err(payload))),
            }
        })
        .await;
        run.cancel();
        BodyEnd {
            end: run.end.take(),
            early,
        }
    }

    /// Runs the teardown, unless the context has ended already.
    pub async fn close<V, B: Debug + 'static>(
        mut self,
        body: BodyEnd<'a, C::Resource, Result<V, B>, ErrorOf<C>>,
        keep: Keep<B>,
    ) -> Ended<V, B, ErrorOf<C>> {
        let BodyEnd { end, early } = body;
        if let Some(context) = early {
            return self.close_early(end, context).await;
        }
        let (resource, body) = match end {
            Some(End::Returned((lent, returned))) => (lent.into_inner(), returned),
            Some(End::Unwound(payload)) => (self.home.take(), Err(payload)),
            Some(End::Dropped(_)) | None => {
                (None, Err(Box::new("the body has not ended") as Payload))
            }
        };
        let (ending, kept) = Kept::split(body, keep);
        if let Some(resource) = resource {
            self.stage = Stage::Teardown(ending.kind());
            self.frame().resume(resource, ending);
        }
        let entered = self.entered.clone();
        let (context, ending) = tear_down(self.frame(), &entered).await;
        self.stage = Stage::Closed;
        Ended {
            entered,
            suppressed: ending.as_ref().is_some_and(Ending::is_suppressed),
            body: kept.join(ending),
            context,
        }
    }

    /// The context has ended by itself: a timeout, or a body that was over in the same poll.
    async fn close_early<V, B: Debug + 'static>(
        mut self,
        end: Option<End<Returned<'a, C::Resource, Result<V, B>>>>,
        context: Torn<C>,
    ) -> Ended<V, B, ErrorOf<C>> {
        let body = match end {
            Some(End::Returned((lent, returned))) => {
                drop(lent);
                drop(self.home.take());
                Some(returned)
            }
            Some(End::Unwound(payload) | End::Dropped(Some(payload))) => Some(Err(payload)),
            Some(End::Dropped(None)) | None => None,
        };
        self.stage = Stage::Closed;
        let entered = self.entered.clone();
        let (context, _) = finish(self.frame(), &entered, context);
        // What the body had entered is rolled back before anything outside goes on.
        let mut settled = entered.settled();
        poll_fn(|cx| settled.poll(cx)).await;
        Ended {
            entered,
            body,
            suppressed: false,
            context,
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
            Stage::Teardown(exit) => Abandoned::Teardown(exit),
            Stage::Closed => return,
        };
        if let Some(origin) = self.origin.take() {
            self.storage
                .as_mut()
                .abandon::<P>(self.entered.clone(), origin, at);
        }
    }
}
