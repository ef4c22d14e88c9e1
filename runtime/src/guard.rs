//! Guard style: an entered context as a value.

use crate::{
    AsyncContext, BodyError,
    background::Entered,
    frame::{Ending, ErrorOf, House, HousedParts, Seed},
    kind::{Kind, Out, RaiseAs},
    outcome::Ended,
    policy::{Policy, Spawn},
    report,
    teardown::{Keep, keep_error, keep_text},
};
use std::{
    fmt,
    future::{Ready, ready},
    mem,
    ops::{Deref, DerefMut},
    panic::{Location, resume_unwind},
    pin::Pin,
    task::{self, Context, Poll},
    thread,
};

/// An entered context. Dereferences to the resource.
///
/// [`exit`](Guard::exit) runs the teardown and awaits it. Dropping the guard un-exited (by `?`, by a panic, because the task was cancelled) leaves
/// the teardown to the context's [policy](crate::policy), which by default runs it in the background. The teardown then sees
/// [`Cancelled`](crate::Exit::Cancelled). A guard is one allocation, made by `enter`.
///
/// Variables are dropped in the right order, an inner guard before an outer one. This isn't so for the fields of a struct, the elements of a `Vec` or
/// a tuple, and what a future has captured that was never polled. Of these the first is dropped first, and its rollback may run before the next one
/// is dropped. Declare inner guards first, or put their contexts on an [`ExitStack`](crate::ExitStack).
///
/// A guard is `Send` where its context is, and `Sync` where its resource is, so that several tasks may share it in an `Arc`.
///
/// If the resource has a method with the name of one of the guard's, call it through the resource: `(*guard).cancel()`.
#[must_use = "a guard that is dropped at once rolls its context back; keep it and call `.exit().await`"]
pub struct Guard<C: AsyncContext, P: Policy<C> = Spawn> {
    /// `None` before the setup and after the exit.
    context: Option<House<C, P>>,
}

#[cold]
fn gone() -> ! {
    panic!(
        "a guard's context is there until the guard is dropped, and open until it is exited, by value"
    );
}

/// The future of [`enter`](crate::ContextManager::enter): runs the setup.
///
/// Nothing runs, and nothing is allocated, before it is polled. It is a type with a name, so that a context that can't be entered is one compile
/// error. An `impl Future` would repeat that error wherever the future is mentioned.
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

/// Implemented for nothing. Its message says what is missing where the future of `enter` is taken for the guard.
#[diagnostic::on_unimplemented(
    message = "there is no guard yet: `enter()` isn't awaited",
    label = "this is called on the future of `enter()`",
    note = "write `context().enter().await?`; or, for a context that can't fail, `let Ok(guard) = context().enter().await;`"
)]
pub trait IsAwaited {}

/// Methods of the guard, on its future: no bound of theirs holds, so that nobody can call them, and whoever tries gets the message above.
#[doc(hidden)]
impl<C: AsyncContext, P: Policy<C>> Enter<C, P> {
    pub fn exit(self) -> Self
    where
        Self: IsAwaited,
    {
        self
    }

    pub fn exit_with<R, B>(self, result: Result<R, B>) -> Ready<Result<R, B>>
    where
        Self: IsAwaited,
    {
        ready(result)
    }
}

impl<C: AsyncContext, P: Policy<C>> Future for Enter<C, P> {
    type Output = Result<Guard<C, P>, ErrorOf<C>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(seed) = this.seed.take() {
            let house = House::new(seed, this.at, None);
            // While there is a seed there is no context yet, and nothing to be dropped: don't look.
            mem::forget(this.guard.context.replace(house));
        }
        let Some(context) = &mut this.guard.context else {
            panic!("the future of `enter` was polled after its end");
        };
        Poll::Ready(match task::ready!(context.parts().poll_setup(cx)) {
            Ok(()) => Ok(Guard {
                context: this.guard.context.take(),
            }),
            Err(error) => Err(error),
        })
    }
}

impl<C: AsyncContext, P: Policy<C>> fmt::Debug for Enter<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter").finish_non_exhaustive()
    }
}

impl<C: AsyncContext, P: Policy<C>> Guard<C, P> {
    #[inline]
    fn context(&mut self) -> &mut House<C, P> {
        match &mut self.context {
            Some(context) => context,
            None => gone(),
        }
    }

    #[inline]
    fn house(&self) -> &House<C, P> {
        match &self.context {
            Some(context) => context,
            None => gone(),
        }
    }

    /// Runs the teardown, which sees [`Completed`](crate::Exit::Completed), and waits for its end. With a result: [`exit_with`](Guard::exit_with).
    ///
    /// Before the teardown, it waits for the rollbacks of what was entered after this guard in the same task, or in the same
    /// [lane](crate::background::lane). Branches of one task that use guards need a lane each.
    ///
    /// # Errors
    /// The teardown's error.
    ///
    /// # Panics
    /// If the teardown panics.
    ///
    /// # Cancellation
    /// Dropping the future leaves the rest of the teardown to the context's [policy](crate::policy). If it is dropped before its first poll, it has
    /// told the context nothing: that is as if the guard were dropped.
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    /// use std::io;
    ///
    /// #[async_context]
    /// async fn number() -> io::Result<u32> {
    ///     let mut number = 1;
    ///     if yield_resource!(number).is_completed() && number > 1 {
    ///         return Err(io::Error::other("too large"));
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> io::Result<()> {
    /// let mut number = number().enter().await?;
    /// *number += 1;
    /// assert!(number.exit().await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "__aexit__")]
    pub fn exit(self) -> impl Future<Output = Result<(), ErrorOf<C>>> {
        ExitFuture {
            guard: self,
            told: Some(Ending::completed()),
        }
    }

    /// Runs the teardown, which sees [`Cancelled`](crate::Exit::Cancelled), and waits for its end. Dropping the guard does the same in the
    /// background.
    ///
    /// # Errors
    /// The teardown's error.
    ///
    /// # Panics
    /// If the teardown panics.
    ///
    /// # Cancellation
    /// As for [`exit`](Guard::exit).
    ///
    /// ```
    /// use contextlib::{Exit, async_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn unfinished() {
    ///     assert!(matches!(yield_resource!(), Exit::Cancelled));
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let Ok(guard) = unfinished().enter().await;
    /// let Ok(()) = guard.cancel().await;
    /// # }
    /// ```
    #[must_use = "this is the guard's own `cancel`, which runs the teardown when it is awaited; the resource's is `(*guard).cancel()`"]
    pub fn cancel(self) -> impl Future<Output = Result<(), ErrorOf<C>>> {
        ExitFuture {
            guard: self,
            told: Some(Ending::cancelled()),
        }
    }

    /// Runs the teardown, which sees the exit of another context, and waits for its end. For a guard that a context function holds around its own
    /// body.
    ///
    /// Of an error or a panic, the teardown sees the text, as in [`with_local`](crate::ContextManager::with_local). The failure itself belongs to the
    /// other context's caller, who gets it whatever this context does: this context can't swallow it.
    ///
    /// Of contexts put together in one guard, each is told the outcome as those inside it have left it. One that swallows the outcome, or fails,
    /// changes it for those around it in that guard.
    ///
    /// Allocates if the body has failed or panicked. Mirrors `await inner.__aexit__(*exc_info)`.
    ///
    /// # Errors
    /// The teardown's error.
    ///
    /// # Panics
    /// If the teardown panics.
    ///
    /// # Cancellation
    /// As for [`exit`](Guard::exit).
    ///
    /// ```
    /// use contextlib::{BoxGuard, async_context, yield_resource};
    /// use std::io;
    ///
    /// #[async_context]
    /// async fn inner() -> io::Result<u32> {
    ///     let exit = yield_resource!(7);
    ///     assert_eq!(format!("{exit:?}"), r#"Failed(Said("not today"))"#);
    /// }
    ///
    /// #[async_context]
    /// async fn outer() -> io::Result<BoxGuard<'static, u32, io::Error>> {
    ///     let mut number = inner().boxed().enter().await?;
    ///     let exit = yield_resource!(number);
    ///     number.exit_as(exit).await?;
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # #[derive(Debug)]
    /// # enum Error { Said(&'static str), Io }
    /// # impl From<io::Error> for Error { fn from(_: io::Error) -> Self { Error::Io } }
    /// let result = outer().with(async |_| Err::<(), _>(Error::Said("not today"))).await;
    /// assert!(matches!(result, Err(Error::Said(_))));
    /// # }
    /// ```
    pub fn exit_as<S>(
        self,
        exit: crate::Exit<'_, S>,
    ) -> impl Future<Output = Result<(), ErrorOf<C>>> + use<C, P, S> {
        ExitFuture {
            guard: self,
            told: Some(exit.retold()),
        }
    }

    /// Runs the teardown, which sees how `result` ended, waits for its end, and returns `result`.
    ///
    /// An error that isn't `Send` is for [`exit_with_local`](Guard::exit_with_local).
    ///
    /// # Errors
    /// The error in `result`; else the teardown's, converted with `From`. If both fail, the teardown's is [reported](crate::report).
    /// A suppressing context makes the value an `Option`.
    ///
    /// # Panics
    /// If the teardown panics; an error in `result` is [reported](crate::report) then.
    ///
    /// # Cancellation
    /// As for [`exit`](Guard::exit). A value in `result` is then dropped, as the future's output is, and an error in it is [reported](crate::report).
    /// If the future is dropped before its first poll, it has told nobody anything: `result` is dropped with it.
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    /// use std::num::ParseIntError;
    ///
    /// #[async_context]
    /// async fn numbers() -> Vec<u32> {
    ///     let mut numbers = Vec::new();
    ///     assert!(yield_resource!(numbers).is_failed());
    ///     assert_eq!(numbers, [1]);
    /// }
    ///
    /// async fn parse(texts: &[&str], numbers: &mut Vec<u32>) -> Result<(), ParseIntError> {
    ///     for text in texts {
    ///         numbers.push(text.parse()?);
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let Ok(mut numbers) = numbers().enter().await;
    /// let result = parse(&["1", "two"], &mut numbers).await;
    /// assert!(numbers.exit_with(result).await.is_err());
    /// # }
    /// ```
    #[doc(alias = "__aexit__")]
    pub fn exit_with<R, B>(
        self,
        result: Result<R, B>,
    ) -> impl Future<Output = Result<Out<C::Kind, R>, B>>
    where
        C::Kind: RaiseAs<B>,
        B: BodyError,
    {
        ExitWithFuture {
            guard: self,
            result: Some(result),
            keep: keep_error,
        }
    }

    /// [`exit_with`](Guard::exit_with) for an error that isn't `Send`. The teardown sees only its text.
    ///
    /// # Errors
    /// As for [`exit_with`](Guard::exit_with).
    ///
    /// # Panics
    /// As for [`exit_with`](Guard::exit_with).
    ///
    /// # Cancellation
    /// As for [`exit_with`](Guard::exit_with). What is [reported](crate::report) of an error is its text.
    ///
    /// ```
    /// use contextlib::{Exit, async_context, yield_resource};
    /// use std::error::Error;
    ///
    /// #[async_context]
    /// async fn text() -> Result<String, std::io::Error> {
    ///     let mut text = String::from("one");
    ///     let exit = yield_resource!(text);
    ///     assert!(matches!(exit, Exit::Failed(error) if format!("{error:?}").contains("InvalidDigit")));
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn Error>> {
    /// let text = text().enter().await?;
    /// let number: Result<u32, Box<dyn Error>> = text.parse().map_err(Box::from);
    /// assert!(text.exit_with_local(number).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "__aexit__")]
    pub fn exit_with_local<R, B>(
        self,
        result: Result<R, B>,
    ) -> impl Future<Output = Result<Out<C::Kind, R>, B>>
    where
        C::Kind: RaiseAs<B>,
        B: fmt::Debug + 'static,
    {
        ExitWithFuture {
            guard: self,
            result: Some(result),
            keep: keep_text,
        }
    }
}

// These futures are written by hand, and no `async` blocks, so that next to nothing of them is compiled for each context.

/// The future of [`Guard::exit`] and [`Guard::cancel`].
struct ExitFuture<C: AsyncContext, P: Policy<C>> {
    guard: Guard<C, P>,
    told: Option<Ending>,
}

impl<C: AsyncContext, P: Policy<C>> Future for ExitFuture<C, P> {
    type Output = Result<(), ErrorOf<C>>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ExitFuture { guard, told } = self.get_mut();
        let context = task::ready!(poll_exit(guard.context().parts(), told, cx));
        guard.context = None;
        Poll::Ready(context.unwrap_or_else(|payload| resume_unwind(payload)))
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn poll_exit<T, K: Kind, O>(
    mut context: HousedParts<'_, T, K, O, ()>,
    told: &mut Option<Ending>,
    cx: &mut Context<'_>,
) -> Poll<thread::Result<Result<(), K::Error>>> {
    if let Some(ending) = told.take() {
        context.resume(ending);
    }
    let mut failed = None;
    task::ready!(context.poll_teardown(&mut failed, cx));
    Poll::Ready(failed.unwrap_or(Ok(Ok(()))))
}

/// The future of [`Guard::exit_with`] and of [`Guard::exit_with_local`].
struct ExitWithFuture<C: AsyncContext, P: Policy<C>, R, B> {
    guard: Guard<C, P>,
    /// The result. Once the teardown has begun: what the teardown isn't told of it.
    result: Option<Result<R, B>>,
    /// What the teardown sees of an error.
    keep: Keep<B>,
}

// Only the frame is pinned, in the guard's box.
impl<C: AsyncContext, P: Policy<C>, R, B> Unpin for ExitWithFuture<C, P, R, B> {}

impl<C: AsyncContext, P: Policy<C>, R, B> Drop for ExitWithFuture<C, P, R, B> {
    #[inline]
    fn drop(&mut self) {
        if self.result.is_some() {
            report::drop_unreturned(self.guard.house().entered(), self.result.take());
        }
    }
}

impl<C, P, R, B> Future for ExitWithFuture<C, P, R, B>
where
    C: AsyncContext<Kind: RaiseAs<B>>,
    P: Policy<C>,
    B: fmt::Debug + 'static,
{
    type Output = Result<Out<C::Kind, R>, B>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ExitWithFuture {
            guard,
            result,
            keep,
        } = self.get_mut();
        let end = task::ready!(poll_exit_with(guard.context().parts(), result, *keep, cx));
        guard.context = None;
        Poll::Ready(end)
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
fn poll_exit_with<T, K: RaiseAs<B>, O, R, B: fmt::Debug + 'static>(
    mut context: HousedParts<'_, T, K, O, ()>,
    result: &mut Option<Result<R, B>>,
    keep: Keep<B>,
    cx: &mut Context<'_>,
) -> Poll<Result<Out<K, R>, B>> {
    if context.beside.is_open() {
        context.resume(match result {
            Some(Ok(_)) => Ending::completed(),
            _ => take_error(result, keep),
        });
    }
    let mut failed = None;
    let ending = task::ready!(context.poll_teardown(&mut failed, cx));
    let ended = Ended::new(result.take(), failed, ending);
    Poll::Ready(ended.into_result::<K>(context.entered()))
}

/// Takes the error out of a result, for the teardown to see.
#[cold]
fn take_error<R, B>(result: &mut Option<Result<R, B>>, keep: Keep<B>) -> Ending {
    let Some(Err(error)) = result.take() else {
        gone();
    };
    let (ending, kept) = keep(error);
    *result = kept.map(Err);
    ending
}

impl<C: AsyncContext, P: Policy<C>> Deref for Guard<C, P> {
    type Target = C::Resource;

    fn deref(&self) -> &C::Resource {
        match self.house().resource() {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

impl<C: AsyncContext, P: Policy<C>> DerefMut for Guard<C, P> {
    fn deref_mut(&mut self) -> &mut C::Resource {
        match self.context().parts().resource {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

impl<C: AsyncContext<Resource: fmt::Debug>, P: Policy<C>> fmt::Debug for Guard<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("context", &self.house().entered().definition.name())
            .field("resource", &**self)
            .finish()
    }
}

impl<C: AsyncContext<Resource: fmt::Display>, P: Policy<C>> fmt::Display for Guard<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// A guard is dropped un-exited: tells the hook, unless a panic drops it.
#[cold]
fn unexited(entered: &Entered) {
    if !thread::panicking() {
        report::unexited(entered);
    }
}

impl<C: AsyncContext, P: Policy<C>> Drop for Guard<C, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            if context.is_open() {
                unexited(context.entered());
            }
            context.abandon();
        }
    }
}
