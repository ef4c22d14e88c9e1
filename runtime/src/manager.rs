//! A context function that has been called: what it takes to run it.

use crate::{
    AsyncContext, BodyError, Outcome,
    background::{Entered, Style},
    frame::{ErrorOf, Guest, Home, Seed, Threads, guest},
    guard::Enter,
    kind::{CanEnter, CannotFail, ContextError, ContextResource, Never, Out, RaiseAs},
    outcome::{AsOutcome, AsResult},
    policy::{Policy, Spawn, Storage},
    session::{BodyPlace, Running, Session, With},
    teardown::{keep_error, keep_text},
};
use std::{
    convert::identity,
    fmt,
    marker::PhantomData,
    panic::Location,
    pin::{Pin, pin},
};

/// A context that hasn't been entered yet: what calling a context function returns.
///
/// Nothing has run so far. `C` is the suspended function, and `P` is its [policy](crate::policy) for cancellation. Dropping the manager drops the
/// arguments. Mirrors the object that calling a function decorated with Python's `@asynccontextmanager` returns.
///
/// # Functions that return one
///
/// A function that only chooses a context says in its return type what that context yields, what it fails with, and its policy if that isn't
/// [`Spawn`]. `use<>` means that the context borrows nothing of the arguments. Where the type has to have a name, or where there is more than one
/// context to choose from, use [`boxed`](ContextManager::boxed).
///
/// ```
/// use contextlib::{AsyncContext, ContextManager, async_context, kind::Fallible, yield_resource};
/// use std::io;
///
/// #[async_context]
/// async fn numbered(mut number: u32) -> io::Result<u32> {
///     let _ = yield_resource!(number);
/// }
///
/// struct Config { first: u32 }
///
/// fn first(config: &Config) -> ContextManager<impl AsyncContext<Resource = u32, Kind = Fallible<io::Error>> + use<>> {
///     numbered(config.first)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let task = tokio::spawn(first(&Config { first: 7 }).with(async |number| io::Result::Ok(*number)));
/// assert_eq!(task.await??, 7);
/// # Ok(())
/// # }
/// ```
#[must_use = "a context does nothing until it is entered: use `.with(…)` or `.enter()`"]
pub struct ContextManager<C: AsyncContext, P = Spawn> {
    seed: Seed<C>,
    _policy: PhantomData<fn() -> P>,
}

impl<C: AsyncContext, P> ContextManager<C, P> {
    #[inline]
    pub(crate) fn new(seed: Seed<C>) -> Self {
        ContextManager {
            seed,
            _policy: PhantomData,
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn seed(&self) -> &C::Seed {
        self.seed.get()
    }

    #[inline]
    pub(crate) fn into_seed(self) -> Seed<C> {
        self.seed
    }
}

impl<C: AsyncContext, P> fmt::Debug for ContextManager<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContextManager")
            .field(&self.seed.definition())
            .finish()
    }
}

/// An `async` closure that takes an `A`, as a trait that gives its future a name.
///
/// Implemented for every such closure, and for functions that return futures. `Fut` is what calling it returns.
///
/// A callback that is an `FnOnce(&mut T) -> BoxFuture<'_, …>`, in a box or of a type parameter, isn't one. Hand it on inside an `async` closure:
/// `async |t| callback(t).await`.
///
/// Where [`with`](ContextManager::with) and the others ask for an `AsyncBody`, the compiler finds `'b` and `Fut`. A function that takes a body, and
/// hands it to a context, asks for this:
///
/// ```
/// use contextlib::{AsyncBody, async_context, yield_resource};
/// use std::io;
///
/// #[async_context]
/// async fn number() -> io::Result<u8> {
///     let mut number = 7;
///     let _ = yield_resource!(number);
/// }
///
/// async fn with_number<'b, R: Send, F, Fut>(body: F) -> io::Result<R>
/// where
///     F: AsyncFnOnce(&mut u8) -> io::Result<R> + AsyncBody<&'b mut u8, Fut> + Send,
///     // `Send`, and `F` too, as `with` asks for; not `with_local`.
///     Fut: Future<Output = io::Result<R>> + Send,
/// {
///     number().with(body).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let doubled = tokio::spawn(with_number(async |number| Ok(*number * 2)));
/// assert_eq!(doubled.await??, 14);
/// # Ok(())
/// # }
/// ```
//
// The future is a parameter, and the argument has one lifetime, whichever. It would be shorter to bound a body by a trait with the future as an associated type, for
// every lifetime. But rustc (1.95 and 1.97, at least) doesn't always come to the same answer whether an `async` closure implements such a trait. In a program that
// joins futures of `with`, one change in four then ends in an internal compiler error, and so does every build after that, until the incremental cache is deleted.
// `tests/incremental` has such a program.
#[diagnostic::on_unimplemented(
    message = "an `async` closure that takes a `{A}` is needed here",
    label = "not an `async |…| …` that takes a `{A}` and returns what is asked for here",
    note = "a context's body takes the resource: `async |resource| …`; instead of a block `async {{ … }}`, write `async |_| {{ … }}`",
    note = "what is pushed on an `ExitStack` takes how the body ended: `async |exit| …`; a context is entered instead: `stack.enter(context)`",
    note = "a function that is given a body to run asks for `F: AsyncFnOnce(&mut T) -> Result<R, E> + AsyncBody<&'b mut T, Fut> + Send` and `Fut: Future<Output = Result<R, E>> + Send`; or it runs the body in an `async_with!`, which asks for neither"
)]
pub trait AsyncBody<A, Fut>: sealed::Sealed<A, Fut> {
    #[doc(hidden)]
    fn call(self, argument: A) -> Fut;
}

mod sealed {
    pub trait Sealed<A, Fut> {}
    impl<F: FnOnce(A) -> Fut, A, Fut> Sealed<A, Fut> for F {}
}

impl<F, A, Fut> AsyncBody<A, Fut> for F
where
    F: FnOnce(A) -> Fut,
{
    #[inline(always)]
    fn call(self, argument: A) -> Fut {
        self(argument)
    }
}

/// A frame without its type: what drives it is compiled once for all that yield and return the same, and not for each use.
type FrameOf<'f, C> = dyn AsyncContext<Resource = <C as AsyncContext>::Resource, Kind = <C as AsyncContext>::Kind>
    + Send
    + 'f;

/// The place of a body without its type.
type PlaceOf<'h, 'f, C, R, B> = dyn BodyPlace<'h, <C as AsyncContext>::Resource, R, B> + Send + 'f;

/// Runs a body inside a context: what all methods of closure style share. A macro, since a function couldn't say of the body's future that it is `Send` in one use and
/// needn't be in another.
///
/// - `$threads`: on which threads the yield point may poll the body.
/// - `$keep`: what the teardown sees of the body's error.
/// - `$as_result`: converts what the body returns into a `Result`.
/// - `$finish`: what the caller gets.
/// - `$frame` and `$place`: the types by which the context and the body are driven.
macro_rules! run_inside {
    (
        $seed:expr, $at:expr, $body:expr,
        threads: $threads:expr,
        keep: $keep:expr,
        as_result: $as_result:expr,
        finish: $finish:ty,
        driven: $frame:ty, $place:ty $(,)?
    ) => {{
        let entered = Entered::now(|| $seed.definition(), $at, Style::Body);
        let mut home = Home::new();
        let storage = pin!(<P::Storage as Storage<C>>::store($seed));
        let mut session = Session::<C, P>::new(storage, &entered, &mut home);
        let body: Pin<&mut $place> = pin!(guest($body, $as_result));
        let (frame, state) = session.parts();
        let frame: Pin<&mut $frame> = frame;
        With(Running::<_, _, _, _, $finish>::new(
            frame, state, body, $threads, $keep,
        ))
        .await
    }};
}

impl<C: AsyncContext, P: Policy<C>> ContextManager<C, P> {
    /// Enters the context: runs its setup and returns a [`Guard`](crate::Guard) with the resource.
    ///
    /// Allocates the frame's box, and nothing else. Mirrors `__aenter__`, and `AsyncExitStack.enter_async_context`.
    ///
    /// # Errors
    /// The setup's error.
    ///
    /// # Panics
    /// If the setup panics, or returns successfully without yielding.
    ///
    /// # Cancellation
    /// Dropping the future drops the setup where it stands, unless the context says `setup = finish`.
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn greeting() -> Result<String, std::io::Error> {
    ///     let mut greeting = String::from("hello");
    ///     let _ = yield_resource!(greeting);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut greeting = greeting().enter().await?;
    /// greeting.push('!');
    /// greeting.exit().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "__aenter__", alias = "enter_async_context")]
    #[track_caller]
    pub fn enter(self) -> Enter<C, P>
    where
        C::Kind: CanEnter,
    {
        Enter::new(self.seed, Location::caller())
    }

    /// Runs `body` inside the context: setup, body, teardown.
    ///
    /// The teardown is awaited whether the body succeeds, fails or panics. The future is `Send`, so it works inside `tokio::spawn`.
    /// Mirrors `async with context() as resource:`.
    ///
    /// Allocates the frame's box, except under `on_cancel = drop`, and a box for the body's error if it fails.
    ///
    /// # Errors
    /// The body's error; else the context's, converted with `From`. If both fail, the context's is [reported](crate::report).
    /// A [suppressing](crate::kind::Suppressing) context makes the value an `Option`, `None` where the body's outcome was swallowed.
    ///
    /// # Panics
    /// The body's panic goes on after the teardown, with the same payload. A panic of setup or teardown goes on as well; if the body had failed, its
    /// error is [reported](crate::report) then. Of two panics the body's goes on, and the other is reported.
    ///
    /// A context that returns successfully without having yielded panics. So does one that returns successfully after having dropped its yield point,
    /// unless it is suppressing: then the value is `None`.
    ///
    /// # Cancellation
    /// Dropping the future drops the body, and leaves the teardown to the context's [policy](crate::policy).
    ///
    /// # Bodies that rustc can't prove `Send`
    ///
    /// `with` asks that its body is `Send`. If a function calls itself inside the body, it isn't yet known there whether that function's future is
    /// `Send`. rustc then says *future created by async closure is not `Send`*, though nothing in it is wrong. [`async_with!`](crate::async_with) and
    /// [`#[within]`](macro@crate::within) don't ask, and their futures are `Send` all the same. So is that of
    /// [`with_local`](ContextManager::with_local):
    ///
    /// ```
    /// use contextlib::{async_context, async_with, yield_resource};
    /// use std::io;
    ///
    /// #[async_context]
    /// async fn level(mut depth: u32) -> io::Result<u32> {
    ///     let _ = yield_resource!(depth);
    /// }
    ///
    /// async fn descend(depth: u32) -> io::Result<u32> {
    ///     async_with!(level = level(depth), async || -> io::Result<u32> {
    ///         match *level {
    ///             0 => Ok(0),
    ///             depth => Ok(1 + Box::pin(descend(depth - 1)).await?),
    ///         }
    ///     })
    ///     .await
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let levels = tokio::spawn(descend(3)).await.unwrap();
    /// assert_eq!(levels.unwrap(), 3);
    /// # }
    /// ```
    ///
    /// Several `with` futures in one `buffer_unordered` or `FuturesUnordered`, with closures that borrow, are *not general enough* to rustc. Collect
    /// the futures first, each in a box (`boxed` of the crate `futures`).
    ///
    /// # Example
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn numbers() -> Vec<u32> {
    ///     let mut numbers = vec![1, 2];
    ///     if yield_resource!(numbers).is_completed() {
    ///         assert_eq!(numbers, [1, 2, 3]);
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::num::ParseIntError> {
    /// let length = numbers()
    ///     .with(async |numbers| -> Result<usize, std::num::ParseIntError> {
    ///         numbers.push("3".parse()?);
    ///         Ok(numbers.len())
    ///     })
    ///     .await?;
    /// assert_eq!(length, 3);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "async with")]
    #[track_caller]
    pub fn with<'b, R, B, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Result<Out<C::Kind, R>, B>> + Send + use<C, P, R, B, F, Fut>
    where
        C: Send,
        C::Resource: ContextResource,
        ErrorOf<C>: ContextError,
        C::Kind: RaiseAs<B>,
        P::Storage: Send,
        P::Origin: Send,
        R: Send,
        B: BodyError,
        C::Resource: 'b,
        F: AsyncFnOnce(&mut C::Resource) -> Result<R, B>
            + AsyncBody<&'b mut C::Resource, Fut>
            + Send,
        Fut: Future<Output = Result<R, B>> + Send,
    {
        let (seed, at) = (self.seed, Location::caller());
        async move {
            run_inside!(
                seed, at, body,
                threads: Threads::any,
                keep: keep_error,
                as_result: identity,
                finish: AsResult,
                driven: FrameOf<'_, C>, PlaceOf<'_, '_, C, R, B>,
            )
        }
    }

    /// [`with`](ContextManager::with) for bodies, resources and errors that aren't `Send`.
    ///
    /// The context sees only the text of the body's error. Its yield point has to be polled on the body's thread.
    ///
    /// # Errors
    /// As for [`with`](ContextManager::with).
    ///
    /// # Panics
    /// As for [`with`](ContextManager::with); and if the context polls its yield point on another thread.
    ///
    /// # Cancellation
    /// As for [`with`](ContextManager::with).
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    /// use std::{convert::Infallible, rc::Rc};
    ///
    /// #[async_context]
    /// async fn number() -> u32 {
    ///     let mut number = 1;
    ///     let _ = yield_resource!(number);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let shared = Rc::new(2);
    /// let Ok(sum) = number()
    ///     .with_local(async |number| -> Result<u32, Infallible> { Ok(*number + *shared) })
    ///     .await;
    /// assert_eq!(sum, 3);
    /// # }
    /// ```
    #[track_caller]
    pub fn with_local<'b, R, B, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Result<Out<C::Kind, R>, B>> + use<C, P, R, B, F, Fut>
    where
        C::Kind: RaiseAs<B>,
        B: fmt::Debug + 'static,
        C::Resource: 'b,
        F: AsyncFnOnce(&mut C::Resource) -> Result<R, B> + AsyncBody<&'b mut C::Resource, Fut>,
        Fut: Future<Output = Result<R, B>>,
    {
        let (seed, at) = (self.seed, Location::caller());
        async move {
            run_inside!(
                seed, at, body,
                threads: Threads::this,
                keep: keep_text,
                as_result: identity,
                finish: AsResult,
                // By their own types, so that the future is `Send` where they are.
                driven: C, Guest<'_, '_, _, _, _, _>,
            )
        }
    }

    /// [`with`](ContextManager::with) for a context that can't fail and a body that returns a plain value.
    ///
    /// A `Result` is a plain value, too: its `Err` is no failure to the context, which is told [`Completed`](crate::Exit::Completed). If the context
    /// is to be told of the failure, use `with`.
    ///
    /// # Panics
    /// As for [`with`](ContextManager::with).
    ///
    /// # Cancellation
    /// As for [`with`](ContextManager::with).
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn number() -> u32 {
    ///     let mut number = 1;
    ///     let _ = yield_resource!(number);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(number().run(async |number| *number + 1).await, 2);
    /// # }
    /// ```
    #[track_caller]
    pub fn run<'b, R, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Out<C::Kind, R>> + Send + use<C, P, R, F, Fut>
    where
        C: Send,
        C::Resource: ContextResource,
        C::Kind: CannotFail,
        P::Storage: Send,
        P::Origin: Send,
        R: Send,
        C::Resource: 'b,
        F: AsyncFnOnce(&mut C::Resource) -> R + AsyncBody<&'b mut C::Resource, Fut> + Send,
        Fut: Future<Output = R> + Send,
    {
        let (seed, at) = (self.seed, Location::caller());
        async move {
            let Ok(value) = run_inside!(
                seed, at, body,
                threads: Threads::any,
                keep: keep_error,
                as_result: Ok::<R, Never>,
                finish: AsResult,
                driven: FrameOf<'_, C>, PlaceOf<'_, '_, C, R, Never>,
            );
            value
        }
    }

    /// [`run`](ContextManager::run) for bodies and resources that aren't `Send`.
    ///
    /// # Panics
    /// As for [`with_local`](ContextManager::with_local).
    ///
    /// # Cancellation
    /// As for [`with`](ContextManager::with).
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    /// use std::rc::Rc;
    ///
    /// #[async_context(on_cancel = spawn_local)]
    /// async fn shared() -> Rc<u32> {
    ///     let mut shared = Rc::new(1);
    ///     let _ = yield_resource!(shared);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(shared().run_local(async |shared| **shared + 1).await, 2);
    /// # }
    /// ```
    #[track_caller]
    pub fn run_local<'b, R, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Out<C::Kind, R>> + use<C, P, R, F, Fut>
    where
        C::Kind: CannotFail,
        C::Resource: 'b,
        F: AsyncFnOnce(&mut C::Resource) -> R + AsyncBody<&'b mut C::Resource, Fut>,
        Fut: Future<Output = R>,
    {
        let (seed, at) = (self.seed, Location::caller());
        async move {
            let Ok(value) = run_inside!(
                seed, at, body,
                threads: Threads::this,
                keep: keep_text,
                as_result: Ok::<R, Never>,
                finish: AsResult,
                driven: C, Guest<'_, '_, _, _, _, _>,
            );
            value
        }
    }

    /// [`with`](ContextManager::with) that returns both outcomes: the body's and the context's. Nothing is converted, and of a single context nothing
    /// is reported.
    ///
    /// Of a tuple, `context` is its first failure. Further failures are reported. It is the same for an [`ExitStack`](crate::ExitStack::context), but
    /// there the first failure may be the body's: then `context` is `Ok`.
    ///
    /// # Panics
    /// As for [`with`](ContextManager::with). The other outcome is then [reported](crate::report) if it is a failure.
    ///
    /// # Cancellation
    /// As for [`with`](ContextManager::with).
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn doomed() -> Result<(), &'static str> {
    ///     let _ = yield_resource!();
    ///     Err("teardown failed")
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let outcome = doomed()
    ///     .outcome(async |_| -> Result<(), &'static str> { Err("body failed") })
    ///     .await;
    /// assert_eq!(outcome.body, Some(Err("body failed")));
    /// assert_eq!(outcome.context, Err("teardown failed"));
    /// # }
    /// ```
    #[track_caller]
    pub fn outcome<'b, R, B, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Outcome<R, B, ErrorOf<C>>> + Send + use<C, P, R, B, F, Fut>
    where
        C: Send,
        C::Resource: ContextResource,
        ErrorOf<C>: ContextError,
        P::Storage: Send,
        P::Origin: Send,
        R: Send,
        B: BodyError,
        C::Resource: 'b,
        F: AsyncFnOnce(&mut C::Resource) -> Result<R, B>
            + AsyncBody<&'b mut C::Resource, Fut>
            + Send,
        Fut: Future<Output = Result<R, B>> + Send,
    {
        let (seed, at) = (self.seed, Location::caller());
        async move {
            run_inside!(
                seed, at, body,
                threads: Threads::any,
                keep: keep_error,
                as_result: identity,
                finish: AsOutcome,
                driven: FrameOf<'_, C>, PlaceOf<'_, '_, C, R, B>,
            )
        }
    }
}
