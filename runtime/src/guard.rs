//! Guard style: an entered context as a value.

use crate::{
    AsyncContext, ExitKind,
    background::{Entered, Style},
    frame::Ending,
    kind::{Kind, Out, RaiseAs},
    outcome::Ended,
    policy::{Abandoned, Boxed, Policy, Spawn, Storage},
    report,
    teardown::{Kept, TearDown, Torn, keep_error},
};
use std::{
    fmt,
    future::poll_fn,
    mem,
    ops::{Deref, DerefMut},
    panic::{Location, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

type ErrorOf<C> = <<C as AsyncContext>::Kind as Kind>::Error;

/// An entered context. Dereferences to the resource.
///
/// [`exit`](Guard::exit) runs the teardown and awaits it. Dropping the guard un-exited (by `?`, by a panic, because the task was cancelled)
/// leaves the teardown to the context's [policy](crate::policy), which by default runs it in the background; it sees
/// [`Cancelled`](crate::Exit::Cancelled). One allocation, made by `enter`.
#[must_use = "a guard that is dropped at once rolls its context back; keep it and call `.exit().await`"]
pub struct Guard<C: AsyncContext, P: Policy<C> = Spawn> {
    storage: Boxed<C>,
    entered: Entered,
    origin: Option<P::Origin>,
    stage: Stage<C::Resource>,
}

enum Stage<R> {
    Setup,
    Open(R),
    /// The teardown hasn't begun.
    Waiting(ExitKind),
    Teardown(ExitKind),
    Closed,
}

// The frame is pinned in its box.
impl<C: AsyncContext, P: Policy<C>> Unpin for Guard<C, P> {}

impl<C: AsyncContext, P: Policy<C>> Guard<C, P> {
    pub(crate) async fn enter(
        frame: C,
        at: &'static Location<'static>,
    ) -> Result<Self, ErrorOf<C>> {
        let entered = Entered::now(frame.definition(), at, Style::Guard);
        let mut guard = Guard {
            storage: Boxed::store(frame),
            entered,
            origin: Some(P::origin()),
            stage: Stage::Setup,
        };
        let resource = poll_fn(|cx| {
            // If it unwinds, nothing is left to be set up or torn down.
            guard.stage = Stage::Closed;
            let set_up = guard.frame().poll_setup(cx);
            if set_up.is_pending() {
                guard.stage = Stage::Setup;
            }
            set_up
        })
        .await
        .map_err(|not_entered| not_entered.into_error(entered.definition))?;
        guard.stage = Stage::Open(resource);
        Ok(guard)
    }

    fn frame(&mut self) -> Pin<&mut C> {
        Pin::new(&mut self.storage).frame()
    }

    /// Runs the teardown, which sees [`Completed`](crate::Exit::Completed), and waits for its end.
    ///
    /// # Errors
    /// The teardown's error.
    ///
    /// # Panics
    /// If the teardown panics.
    ///
    /// # Cancellation
    /// Dropping the future leaves the rest of the teardown to the context's [policy](crate::policy).
    pub async fn exit(mut self) -> Result<(), ErrorOf<C>> {
        let mut teardown = self.resume(Ending::completed());
        let (context, _) = poll_fn(|cx| self.poll_teardown(&mut teardown, cx)).await;
        context.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Runs the teardown, which sees [`Cancelled`](crate::Exit::Cancelled), and waits for its end: what dropping the guard does in the background.
    ///
    /// # Errors
    /// The teardown's error.
    ///
    /// # Panics
    /// If the teardown panics.
    ///
    /// # Cancellation
    /// As for [`exit`](Guard::exit).
    pub async fn cancel(mut self) -> Result<(), ErrorOf<C>> {
        let mut teardown = self.resume(Ending::cancelled());
        let (context, _) = poll_fn(|cx| self.poll_teardown(&mut teardown, cx)).await;
        context.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Runs the teardown, which sees how `result` ended, waits for its end, and returns `result`.
    ///
    /// # Errors
    /// The error in `result`; else the teardown's, converted with `From`. If both fail, the teardown's is [reported](crate::report).
    /// A suppressing context makes the value an `Option`.
    ///
    /// # Panics
    /// If the teardown panics; an error in `result` is [reported](crate::report) then.
    ///
    /// # Cancellation
    /// As for [`exit`](Guard::exit); `result` is lost then, as the future's output is.
    pub async fn exit_with<R, B>(mut self, result: Result<R, B>) -> Result<Out<C::Kind, R>, B>
    where
        C::Kind: RaiseAs<B>,
        B: fmt::Debug + Send + 'static,
    {
        let (ending, kept) = Kept::split(Ok(result), keep_error);
        let mut teardown = self.resume(ending);
        let torn = poll_fn(|cx| self.poll_teardown(&mut teardown, cx)).await;
        Ended::new(kept, torn).into_result::<C::Kind>(&self.entered)
    }

    /// Puts the resource back and says how the body ended.
    fn resume(&mut self, ending: Ending) -> TearDown {
        let exit = ending.kind();
        if let Stage::Open(resource) = mem::replace(&mut self.stage, Stage::Waiting(exit)) {
            self.frame().resume(resource, ending);
        }
        TearDown::default()
    }

    fn poll_teardown(
        &mut self,
        teardown: &mut TearDown,
        cx: &mut Context<'_>,
    ) -> Poll<(Torn<C>, Option<Ending>)> {
        let entered = self.entered;
        ready!(teardown.poll_begin(&entered, cx, || {
            if let Stage::Waiting(exit) = self.stage {
                self.stage = Stage::Teardown(exit);
            }
        }));
        let torn = ready!(TearDown::poll(self.frame(), &entered, cx));
        self.stage = Stage::Closed;
        Poll::Ready(torn)
    }
}

const OPEN: &str = "a guard's resource is there until the guard is exited, by value";

impl<C: AsyncContext, P: Policy<C>> Deref for Guard<C, P> {
    type Target = C::Resource;

    fn deref(&self) -> &C::Resource {
        match &self.stage {
            Stage::Open(resource) => resource,
            _ => unreachable!("{OPEN}"),
        }
    }
}

impl<C: AsyncContext, P: Policy<C>> DerefMut for Guard<C, P> {
    fn deref_mut(&mut self) -> &mut C::Resource {
        match &mut self.stage {
            Stage::Open(resource) => resource,
            _ => unreachable!("{OPEN}"),
        }
    }
}

impl<C: AsyncContext<Resource: fmt::Debug>, P: Policy<C>> fmt::Debug for Guard<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("context", &self.entered.definition.name())
            .field("resource", &**self)
            .finish()
    }
}

impl<C: AsyncContext, P: Policy<C>> Drop for Guard<C, P> {
    fn drop(&mut self) {
        let at = match mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Setup => Abandoned::Setup,
            Stage::Open(resource) => {
                if !thread::panicking() {
                    report::unexited(&self.entered);
                }
                Abandoned::Open(resource)
            }
            Stage::Waiting(exit) => Abandoned::Waiting(exit),
            Stage::Teardown(exit) => Abandoned::Teardown(exit),
            Stage::Closed => return,
        };
        if let Some(origin) = self.origin.take() {
            Pin::new(&mut self.storage).abandon::<P>(self.entered, origin, at);
        }
    }
}
