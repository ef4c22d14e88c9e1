//! Guard style: an entered context as a value.

use crate::{
    AsyncContext, BodyError,
    background::{Entered, Style},
    frame::{Ending, Housed, Seed},
    kind::{Kind, Out, RaiseAs},
    outcome::Ended,
    policy::{Policy, Spawn},
    report,
    teardown::{Torn, keep_error, split},
};
use std::{
    fmt,
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
    /// `None` once it is dropped.
    context: Option<Pin<Box<Housed<C, P>>>>,
}

const OPEN: &str =
    "a guard's context is there until the guard is dropped, and open until it is exited, by value";

/// The future of [`enter`](crate::ContextManager::enter): runs the setup.
///
/// Nothing runs, and nothing is allocated, before it is polled. It is a type with a name, so that a context that can't be entered is one
/// compile error: an `impl Future` would repeat it wherever the future is mentioned.
#[must_use = "the setup of a context doesn't run before `enter()` is awaited"]
pub struct Enter<C: AsyncContext, P: Policy<C> = Spawn> {
    /// `None` once its frame is in the guard's box.
    seed: Option<Seed<C>>,
    at: &'static Location<'static>,
    /// Not to be used before its context has a resource.
    guard: Guard<C, P>,
}

// The frame is pinned in the guard's box only.
impl<C: AsyncContext, P: Policy<C>> Unpin for Enter<C, P> {}

impl<C: AsyncContext, P: Policy<C>> Enter<C, P> {
    #[inline]
    pub(crate) fn new(seed: Seed<C>, at: &'static Location<'static>) -> Self {
        Enter {
            seed: Some(seed),
            at,
            guard: Guard { context: None },
        }
    }
}

impl<C: AsyncContext, P: Policy<C>> Future for Enter<C, P> {
    type Output = Result<Guard<C, P>, ErrorOf<C>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(seed) = this.seed.take() {
            let entered = Entered::now(seed.definition(), this.at, Style::Guard);
            this.guard.context = Some(Housed::new(seed, entered, None));
        }
        let Some(context) = &mut this.guard.context else {
            panic!("the future of `enter` was polled after its end");
        };
        ready!(context.as_mut().poll_setup(cx))?;
        Poll::Ready(Ok(Guard {
            context: this.guard.context.take(),
        }))
    }
}

impl<C: AsyncContext, P: Policy<C>> fmt::Debug for Enter<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter").finish_non_exhaustive()
    }
}

impl<C: AsyncContext, P: Policy<C>> Guard<C, P> {
    #[inline]
    fn context(&mut self) -> Pin<&mut Housed<C, P>> {
        self.context.as_mut().expect(OPEN).as_mut()
    }

    #[inline]
    fn housed(&self) -> &Housed<C, P> {
        self.context.as_deref().expect(OPEN)
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
    #[doc(alias = "__aexit__")]
    pub async fn exit(mut self) -> Result<(), ErrorOf<C>> {
        let (context, _) = self.close(Ending::completed()).await;
        self.context = None;
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
        let (context, _) = self.close(Ending::cancelled()).await;
        self.context = None;
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
    /// As for [`exit`](Guard::exit). A value in `result` is dropped then, as the future's output is, and an error in it is [reported](crate::report).
    #[doc(alias = "__aexit__")]
    pub async fn exit_with<R, B>(mut self, result: Result<R, B>) -> Result<Out<C::Kind, R>, B>
    where
        C::Kind: RaiseAs<B>,
        B: BodyError,
    {
        let (ending, kept) = split(Ok(result), keep_error);
        let torn = self.close(ending).await;
        let result = Ended::new(kept, torn).into_result::<C::Kind>(&self.housed().rest.entered);
        self.context = None;
        result
    }

    /// Puts the resource back, says how the body ended, and runs the teardown.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn close(&mut self, ending: Ending) -> Closing<'_, C, P> {
        self.context().resume(ending);
        Closing(self)
    }
}

/// Runs the teardown of a guard's context.
//
// With a name, so that it is inlined where it is awaited: what it comes to would be copied on the way out.
struct Closing<'g, C: AsyncContext, P: Policy<C>>(&'g mut Guard<C, P>);

impl<C: AsyncContext, P: Policy<C>> Future for Closing<'_, C, P> {
    type Output = (Torn<C>, Option<Ending>);

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.context().poll_teardown(cx)
    }
}

impl<C: AsyncContext, P: Policy<C>> Deref for Guard<C, P> {
    type Target = C::Resource;

    fn deref(&self) -> &C::Resource {
        self.housed().resource.as_ref().expect(OPEN)
    }
}

impl<C: AsyncContext, P: Policy<C>> DerefMut for Guard<C, P> {
    fn deref_mut(&mut self) -> &mut C::Resource {
        self.context().parts().resource.as_mut().expect(OPEN)
    }
}

impl<C: AsyncContext<Resource: fmt::Debug>, P: Policy<C>> fmt::Debug for Guard<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("context", &self.housed().rest.entered.definition.name())
            .field("resource", &**self)
            .finish()
    }
}

/// A guard is dropped un-exited.
#[cold]
fn abandon<C: AsyncContext, P: Policy<C>>(context: Pin<Box<Housed<C, P>>>) {
    if context.is_open() && !thread::panicking() {
        report::unexited(&context.rest.entered);
    }
    context.abandon();
}

impl<C: AsyncContext, P: Policy<C>> Drop for Guard<C, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            abandon(context);
        }
    }
}
