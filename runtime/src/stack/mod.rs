//! The exit stack: contexts entered one by one, their number known only at run time, and exited together.

mod callback;
mod called;
mod context;
mod key;
mod node;
mod unwind;

pub use key::Key;

use crate::{
    AsyncBody, AsyncContext, BodyError, ContextManager, Definition, Exit, IntoContextManager,
    background::{Entered, Style},
    frame::{Ending, House},
    kind::{CanEnter, Fallible, Kind, RaiseAs, Strict, Suppressing, Suppression},
    outcome::Ended,
    policy::{self, Policy},
    protocol::{KindOf, ResourceOf},
    report,
    teardown::{keep_error, split},
};
use context::StackContext;
use node::{Entering, Entries};
use std::{
    fmt::{self, Debug},
    future::poll_fn,
    marker::PhantomData,
    ops::{Index, IndexMut},
    panic::{Location, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};
use unwind::Unwinding;

/// Contexts, callbacks and exits that are entered one by one and exited together, last in, first out.
///
/// For what a block can't do: a number of contexts that is known only at run time, contexts that are entered on a condition, and clean-up that
/// outlives the function that asked for it. Mirrors Python's `contextlib.AsyncExitStack`, for synchronous and asynchronous entries alike.
///
/// ```
/// use contextlib::{ExitStack, async_context, yield_resource};
/// use std::io::Error;
///
/// #[async_context]
/// async fn part(name: &'static str) -> Result<String, Error> {
///     let mut part = name.to_owned();
///     let _ = yield_resource!(part);
///     println!("{part} is closed");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let length = ExitStack::scope(async |stack| -> Result<usize, Error> {
///     let mut parts = Vec::new();
///     for name in ["a", "b", "c"] {
///         parts.push(stack.enter(part(name)).await?); // A `&mut String`, good while more are entered.
///     }
///     parts[0].push('!');
///     Ok(parts.iter().map(|part| part.len()).sum())
/// })
/// .await?; // c, b, a! are closed, also if entering one of them failed.
/// assert_eq!(length, 4);
/// # Ok(())
/// # }
/// ```
///
/// | Python | here |
/// |---|---|
/// | `async with AsyncExitStack() as stack:` | [`ExitStack::scope(async \|stack\| …)`](ExitStack::scope) |
/// | `enter_context`, `enter_async_context` | [`enter`](ExitStack::enter), [`enter_key`](ExitStack::enter_key) |
/// | `callback`, `push_async_callback` | [`callback`](ExitStack::callback), [`async_callback`](ExitStack::async_callback) |
/// | `push`, `push_async_exit` | [`push`](ExitStack::push) |
/// | `pop_all` | [`pop_all`](ExitStack::pop_all) |
/// | `close`, `aclose` | [`close`](ExitStack::close), or by value [`exit`](ExitStack::exit), [`exit_with`](ExitStack::exit_with) |
///
/// # The outcome
///
/// Every entry is exited, whatever the others did. It is as if each context enclosed those entered after it: it is told the outcome as the inner ones
/// left it. The outcome starts as the body's. An entry that fails or panics where all was well makes its failure the outcome. On a
/// [suppressing](ExitStack::suppressing) stack an entry may swallow the outcome.
///
/// The caller gets the *first* failure: the body's error if the body failed, else that of the innermost entry that failed, raised as the stack's
/// error type `E`. All further failures go to the [report hook](crate::report), so that none is lost and none is told twice. A panic goes before an
/// error: the error is reported then, and the first of several panics goes on.
///
/// Where an entry swallows another entry's failure, the body's value is still there, as in Python. For contexts around a closure, and where both are
/// in one tuple, it would be gone.
///
/// # Dropping it
///
/// A stack may be dropped un-exited (by `?`, by a panic, because the task was cancelled). It is then rolled back in the background as one unit. Every
/// entry's teardown is told [`Cancelled`](crate::Exit::Cancelled) and runs by its context's [policy], after all those that were entered later have
/// ended. (An entry whose policy doesn't wait, `drop`, is dropped at once.) The same holds for the entries that are left when the future of `exit` is
/// dropped half-way.
///
/// # Types
///
/// - `'e` is a lifetime that everything on the stack outlives.
/// - `E` is the error type that all errors of entries convert into with `From`. Where it isn't known from what becomes of [`exit`](ExitStack::exit)'s
///   result, write `ExitStack::<E>::new()`.
/// - `S` is [`Suppressing`] for a stack with entries that may swallow failures.
///
/// No entry can borrow another one's resource, since it is the stack that lends these. Contexts that build on each other go into a block
/// ([`async_with!`](crate::async_with)) or are guards.
///
/// A stack is `Send` and `Sync`: entries may be entered concurrently. They are then in the order in which their setups ended.
///
/// # Cost
///
/// Each entry is one allocation, which holds the context, its resource and its bookkeeping. Beside that there is the list, which grows from the
/// second entry on. Exits and drops are iterative: a hundred thousand entries need no more of the thread's stack than one.
#[doc(alias = "AsyncExitStack")]
#[must_use = "an exit stack that is dropped at once rolls its entries back; keep it and call `.exit().await`"]
pub struct ExitStack<'e, E, S = Strict> {
    entries: Entries<'e, E>,
    at: &'static Location<'static>,
    /// Nobody has to call `exit`: a context or a callback does it.
    inside: bool,
    // Invariant in `'e`: entries are added through a shared reference.
    _marker: PhantomData<(fn(&'e ()) -> &'e (), fn(S) -> S)>,
}

/// A context of this [kind of suppression](Suppression) may be entered on a stack of the kind `S`.
///
/// A [`Strict`] one on every stack, a [`Suppressing`] one on a suppressing stack.
#[diagnostic::on_unimplemented(
    message = "a suppressing context can't be entered on this `ExitStack`",
    label = "it may swallow the outcome, and the stack's `exit_with` has to return a value",
    note = "use `ExitStack::suppressing()`, whose `exit_with` returns a `Result<Option<R>, _>`; or `suppressing_scope` or `suppressing_context`"
)]
pub trait AllowedOn<S>: Suppression {}
impl AllowedOn<Strict> for Strict {}
impl<K: Suppression> AllowedOn<Suppressing> for K {}

impl<'e, E> ExitStack<'e, E> {
    /// An empty stack. No allocation before the first entry.
    ///
    /// ```
    /// # use contextlib::ExitStack;
    /// let stack = ExitStack::<std::io::Error>::new();
    /// assert!(stack.is_empty());
    /// ```
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it remembers where it was made")]
    pub fn new() -> Self
    where
        E: BodyError,
    {
        ExitStack::here()
    }

    /// Runs `body` with a stack, and exits the stack with what comes of it. Mirrors `async with AsyncExitStack() as stack:`.
    ///
    /// It has a lane of its own for what it enters, as every [`with`](ContextManager::with) has.
    ///
    /// # Errors
    /// The body's error, else that of the innermost entry that failed. The others are [reported](crate::report).
    ///
    /// # Panics
    /// The body's panic goes on after the exits, with the same payload. So does an entry's.
    ///
    /// # Cancellation
    /// Dropping the future drops the body, and rolls the entries back as if the stack had been dropped.
    ///
    /// The [type](ExitStack) has an example. What rustc may say of a body that calls its own function is told at [`with`](ContextManager::with). The
    /// way round is `async_with!(stack = ExitStack::context(), …)`.
    #[track_caller]
    pub fn scope<'b, R, F, Fut>(
        body: F,
    ) -> impl Future<Output = Result<R, E>> + Send + use<'e, E, R, F, Fut>
    where
        E: BodyError,
        R: Send,
        'e: 'b,
        F: AsyncFnOnce(&mut ExitStack<'e, E>) -> Result<R, E>
            + AsyncBody<&'b mut ExitStack<'e, E>, Fut>
            + Send,
        Fut: Future<Output = Result<R, E>> + Send,
    {
        Self::context().with(body)
    }

    /// A stack as a context: [`scope`](ExitStack::scope) in parts, for `async_with!`, tuples and `#[within]`.
    ///
    /// In a tuple whose policy isn't `drop`, the tuple's policy rolls back the whole, and with it the stack, one entry after the other.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::<std::io::Error>::context().enter().await?;
    /// stack.callback(|| println!("bye"));
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn context() -> ContextManager<
        impl AsyncContext<Resource = ExitStack<'e, E>, Kind = Fallible<E>> + Send,
        policy::Drop,
    >
    where
        E: BodyError,
    {
        ContextManager::new(StackContext::seed())
    }

    /// An empty stack whose entries may swallow failures: [`exit_with`](ExitStack::exit_with) returns a `Result<Option<R>, E>`.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let stack = ExitStack::suppressing();
    /// stack.push(async |exit| exit.suppress());
    /// assert_eq!(stack.exit_with(Err::<(), _>("failed")).await, Ok(None));
    /// # }
    /// ```
    #[track_caller]
    pub fn suppressing() -> ExitStack<'e, E, Suppressing>
    where
        E: BodyError,
    {
        ExitStack::here()
    }

    /// [`scope`](ExitStack::scope) with a suppressing stack. `None`: the body's outcome was swallowed.
    ///
    /// # Errors
    /// As for [`scope`](ExitStack::scope).
    ///
    /// # Panics
    /// As for [`scope`](ExitStack::scope).
    ///
    /// # Cancellation
    /// As for [`scope`](ExitStack::scope).
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let result = ExitStack::suppressing_scope(async |stack| -> Result<u32, &str> {
    ///     stack.push(async |exit| exit.suppress());
    ///     Err("failed")
    /// });
    /// assert_eq!(result.await, Ok(None));
    /// # }
    /// ```
    #[track_caller]
    pub fn suppressing_scope<'b, R, F, Fut>(
        body: F,
    ) -> impl Future<Output = Result<Option<R>, E>> + Send + use<'e, E, R, F, Fut>
    where
        E: BodyError,
        R: Send,
        'e: 'b,
        F: AsyncFnOnce(&mut ExitStack<'e, E, Suppressing>) -> Result<R, E>
            + AsyncBody<&'b mut ExitStack<'e, E, Suppressing>, Fut>
            + Send,
        Fut: Future<Output = Result<R, E>> + Send,
    {
        Self::suppressing_context().with(body)
    }

    /// [`context`](ExitStack::context) with a suppressing stack.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::<std::io::Error>::suppressing_context().enter().await?;
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn suppressing_context() -> ContextManager<
        impl AsyncContext<Resource = ExitStack<'e, E, Suppressing>, Kind = Fallible<E, Suppressing>>
        + Send,
        policy::Drop,
    >
    where
        E: BodyError,
    {
        ContextManager::new(StackContext::seed())
    }
}

impl<'e, E, S> ExitStack<'e, E, S> {
    #[track_caller]
    fn here() -> Self {
        let mut stack = ExitStack::inside(Location::caller());
        stack.inside = false;
        stack
    }

    /// A stack that a context or a callback exits.
    fn inside(at: &'static Location<'static>) -> Self {
        ExitStack {
            entries: Entries::none(),
            at,
            inside: true,
            _marker: PhantomData,
        }
    }

    /// The stack as something to report of.
    fn entered(&self) -> Entered {
        let definition = Definition::at(|| "ExitStack", self.at);
        Entered::now(|| definition, self.at, Style::Guard)
    }

    /// How many entries are on the stack.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no entry is on the stack.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves all entries to a new stack, which exits them in their order. This stack is then empty, and can be used again.
    ///
    /// For setups of several steps: enter all on one stack, whose exit undoes them if a later one fails. Take them off it when all is well. This ends
    /// the borrows of [`enter`](ExitStack::enter); [keys](Key) stay good. Mirrors `ExitStack.pop_all`.
    ///
    /// Unlike Python's, a stack that is dropped isn't forgotten but rolled back. So throwing away what this returns doesn't cancel what is on it. A
    /// callback that may turn out to be needless checks that itself, with an `Arc<AtomicBool>` for example, or is [told](ExitStack::push) how the
    /// body ended.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let close = ExitStack::scope(async |stack| -> Result<_, std::io::Error> {
    ///     stack.callback(|| println!("closed"));
    ///     // … more of which may fail …
    ///     Ok(stack.pop_all())
    /// })
    /// .await?;
    /// close.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn pop_all(&mut self) -> Self {
        let mut stack = ExitStack::here();
        stack.entries = Entries::new(self.entries.take());
        stack
    }

    /// The resource with this key; `None` if it isn't on this stack.
    ///
    /// `R` is `Sync`, since the stack may be shared between threads. [`get_mut`](ExitStack::get_mut) doesn't ask for that.
    pub fn get<R: Sync>(&self, key: Key<R>) -> Option<&R> {
        self.entries.get(key)
    }

    /// The resource with this key; `None` if it isn't on this stack.
    ///
    /// ```
    /// use contextlib::{ExitStack, null_context};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut stack = ExitStack::new();
    /// let key = stack.enter_key(null_context(1)).await?;
    /// *stack.get_mut(key).expect("it is here") += 1;
    /// let mut moved = stack.pop_all();
    /// assert_eq!((stack.get(key), moved.get_mut(key)), (None, Some(&mut 2)));
    /// moved.exit().await
    /// # }
    /// ```
    pub fn get_mut<R>(&mut self, key: Key<R>) -> Option<&mut R> {
        self.entries.get_mut(key)
    }
}

impl<'e, E, S> ExitStack<'e, E, S> {
    /// Enters a context and puts its exit on the stack.
    ///
    /// The resource can be used for as long as the stack isn't exited, moved or emptied, also while more are entered. A context whose setup fails
    /// isn't put on the stack, which stays as it is. A [wrapping](crate::kind::Wrapping) context can't be entered; a [suppressing](Suppressing) one
    /// can be entered only on a [suppressing](ExitStack::suppressing) stack. One allocation for the entry. Mirrors `AsyncExitStack.enter_async_context`.
    ///
    /// # Errors
    /// The setup's error, raised as the stack's: an infallible context needs no conversion.
    ///
    /// # Panics
    /// If the setup panics, or returns successfully without yielding.
    ///
    /// # Cancellation
    /// Dropping the future drops the setup where it stands, unless the context says `setup = finish`.
    ///
    /// ```
    /// use contextlib::{ExitStack, async_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn number(mut number: u32) -> u32 {
    ///     let _ = yield_resource!(number);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::new();
    /// let one = stack.enter(number(1)).await?;
    /// let two = stack.enter(number(2)).await?;
    /// std::mem::swap(one, two);
    /// assert_eq!((*one, *two), (2, 1));
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "enter_context")]
    #[doc(alias = "enter_async_context")]
    pub fn enter<M>(&self, context: M) -> EnterOf<'_, 'e, M, E, &mut ResourceOf<M>>
    where
        M: IntoContextManager,
        M::Context: AsyncContext<
                Kind: RaiseAs<E> + CanEnter + Kind<Suppression: AllowedOn<S>>,
                Resource: Send,
            > + Send
            + 'e,
        M::Policy: Policy<M::Context, Origin: Send> + 'e,
    {
        let seed = context.into_context_manager().into_seed();
        Enter {
            entries: &self.entries,
            entering: Entering::new(seed, Location::caller()),
            push: Entries::push,
            raise: <KindOf<M> as RaiseAs<E>>::raise,
        }
    }

    /// [`enter`](ExitStack::enter) that returns a key. It stays good when the stack is moved, and when its entries move to another one.
    ///
    /// For a stack that is a field of a struct, beside the keys of what is on it.
    ///
    /// # Errors
    /// As for [`enter`](ExitStack::enter).
    ///
    /// # Panics
    /// As for [`enter`](ExitStack::enter).
    ///
    /// # Cancellation
    /// As for [`enter`](ExitStack::enter).
    ///
    /// ```
    /// use contextlib::{ExitStack, async_context, stack::Key, yield_resource};
    /// use std::io::Error;
    ///
    /// #[async_context]
    /// async fn name() -> String {
    ///     let mut name = String::from("Ada");
    ///     let _ = yield_resource!(name);
    /// }
    ///
    /// struct Session {
    ///     stack: ExitStack<'static, Error>,
    ///     name: Key<String>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let stack = ExitStack::new();
    /// let name = stack.enter_key(name()).await?;
    /// let mut session = Session { stack, name };
    ///
    /// session.stack[session.name].push('!');
    /// assert_eq!(session.stack[session.name], "Ada!");
    /// session.stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn enter_key<M>(&self, context: M) -> EnterOf<'_, 'e, M, E, Key<ResourceOf<M>>>
    where
        M: IntoContextManager,
        M::Context: AsyncContext<
                Kind: RaiseAs<E> + CanEnter + Kind<Suppression: AllowedOn<S>>,
                Resource: Send,
            > + Send
            + 'e,
        M::Policy: Policy<M::Context, Origin: Send> + 'e,
    {
        let seed = context.into_context_manager().into_seed();
        Enter {
            entries: &self.entries,
            entering: Entering::new(seed, Location::caller()),
            push: Entries::push_keyed,
            raise: <KindOf<M> as RaiseAs<E>>::raise,
        }
    }
}

/// What a body has returned, while its stack is exited.
struct Unreturned<T> {
    value: Option<T>,
    entered: Entered,
}

impl<T> Drop for Unreturned<T> {
    fn drop(&mut self) {
        if self.value.is_some() {
            report::drop_unreturned(&self.entered, self.value.take());
        }
    }
}

type EnterOf<'s, 'e, M, E, T> =
    Enter<'s, 'e, <M as IntoContextManager>::Context, <M as IntoContextManager>::Policy, E, T>;

/// The future of [`ExitStack::enter`] and [`ExitStack::enter_key`]: runs the setup, and puts the context on the stack.
///
/// Nothing runs, and nothing is allocated, before it is polled. It is a type with a name, and asks for little, so that a context that can't be
/// entered is one compile error. An `impl Future` would repeat that error wherever the future is mentioned.
#[must_use = "the setup of a context doesn't run before `enter(…)` is awaited"]
pub struct Enter<'s, 'e, C: AsyncContext, P: Policy<C>, E, T> {
    entries: &'s Entries<'e, E>,
    entering: Entering<C, P>,
    push: fn(&'s Entries<'e, E>, House<C, P>) -> T,
    raise: fn(<C::Kind as Kind>::Error) -> E,
}

impl<C: AsyncContext, P: Policy<C>, E, T> Future for Enter<'_, '_, C, P, E, T> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let this = &mut *self;
        match ready!(this.entering.poll_setup(cx)) {
            Ok(()) => Poll::Ready(Ok((this.push)(this.entries, this.entering.take()))),
            Err(error) => Poll::Ready(Err((this.raise)(error))),
        }
    }
}

impl<C: AsyncContext, P: Policy<C>, E, T> Debug for Enter<'_, '_, C, P, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter").finish_non_exhaustive()
    }
}

impl<'e, E: BodyError, S: Suppression> ExitStack<'e, E, S> {
    /// Exits every entry, the last one first, and waits for their end. The innermost is told [`Completed`](crate::Exit::Completed).
    ///
    /// # Errors
    /// That of the innermost entry that failed, unless an outer one has swallowed it. The others are [reported](crate::report).
    ///
    /// # Panics
    /// If an entry panics; the others are exited nevertheless.
    ///
    /// # Cancellation
    /// Dropping the future leaves the rest of the teardown that is under way, and the entries not yet exited, to their [policies](crate::policy).
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let stack = ExitStack::new();
    /// stack.callback(|| println!("second"));
    /// stack.callback(|| {
    ///     println!("first");
    ///     Err("not flushed")
    /// });
    /// assert_eq!(stack.exit().await, Err("not flushed"));
    /// # }
    /// ```
    #[doc(alias = "__aexit__")]
    pub async fn exit(mut self) -> Result<(), E> {
        self.end(Ending::completed()).await
    }

    /// [`exit`](ExitStack::exit) that tells the entries how `result` ended, and returns `result`.
    ///
    /// A suppressing stack makes the value an `Option`: `None` where an entry has swallowed the error in `result`.
    ///
    /// # Errors
    /// The error in `result`; else that of the innermost entry that failed. All others are [reported](crate::report).
    ///
    /// # Panics
    /// If an entry panics; an error in `result` is [reported](crate::report) then.
    ///
    /// # Cancellation
    /// As for [`exit`](ExitStack::exit). A value in `result` is then dropped, as the future's output is, and an error in it is
    /// [reported](crate::report). If the future is dropped before its first poll, it has told nobody anything: `result` is dropped with it.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let stack = ExitStack::new();
    /// stack.push(async |exit| assert!(exit.is_failed()));
    /// let result: Result<u32, std::num::ParseIntError> = "one".parse();
    /// assert!(stack.exit_with(result).await.is_err());
    /// # }
    /// ```
    #[doc(alias = "__aexit__")]
    pub async fn exit_with<R>(mut self, result: Result<R, E>) -> Result<S::Out<R>, E> {
        let (ending, value) = split(Ok(result), keep_error);
        let mut kept = Unreturned {
            value,
            entered: self.entered(),
        };
        let (context, ending) = self.unwind(ending).await;
        let failed = Some(context).filter(|context| !matches!(context, Ok(Ok(()))));
        Ended::new(kept.value.take(), failed, ending).into_result::<Fallible<E, S>>(&kept.entered)
    }

    /// [`exit`](ExitStack::exit) that tells the entries [`Cancelled`](crate::Exit::Cancelled). Dropping the stack does the same in the background.
    ///
    /// # Errors
    /// As for [`exit`](ExitStack::exit).
    ///
    /// # Panics
    /// As for [`exit`](ExitStack::exit).
    ///
    /// # Cancellation
    /// As for [`exit`](ExitStack::exit).
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::new();
    /// stack.push(async |exit| assert!(exit.is_cancelled()));
    /// stack.cancel().await
    /// # }
    /// ```
    pub async fn cancel(mut self) -> Result<(), E> {
        self.end(Ending::cancelled()).await
    }

    /// [`exit`](ExitStack::exit) that tells the entries the exit of another context. For a stack that a context function holds around its own body.
    ///
    /// Of an error or a panic they see the text, as for [`Guard::exit_as`](crate::Guard::exit_as). The failure itself belongs to the other context's
    /// caller. If an entry swallows it, or fails itself, the entries around that one are told so. Mirrors `await stack.__aexit__(*exc_info)`.
    ///
    /// # Errors
    /// As for [`exit`](ExitStack::exit): never the other context's failure.
    ///
    /// # Panics
    /// As for [`exit`](ExitStack::exit).
    ///
    /// # Cancellation
    /// As for [`exit`](ExitStack::exit).
    ///
    /// ```
    /// use contextlib::{ExitStack, async_context, yield_resource};
    /// use std::io::Error;
    ///
    /// #[async_context]
    /// async fn service() -> Result<(), Error> {
    ///     let stack = ExitStack::<Error>::new();
    ///     stack.push(async |exit| assert!(exit.is_failed()));
    ///     let exit = yield_resource!();
    ///     stack.exit_as(exit).await?;
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let result: Result<(), Error> = service().with(async |_| Err(Error::other("no"))).await;
    /// assert!(result.is_err());
    /// # }
    /// ```
    #[doc(alias = "__aexit__")]
    pub fn exit_as<O>(
        mut self,
        exit: Exit<'_, O>,
    ) -> impl Future<Output = Result<(), E>> + use<'e, E, S, O> {
        let told = exit.retold();
        async move { self.end(told).await }
    }

    /// [`exit`](ExitStack::exit) for a stack that is used again afterwards. Mirrors `AsyncExitStack.aclose`.
    ///
    /// # Errors
    /// As for [`exit`](ExitStack::exit).
    ///
    /// # Panics
    /// As for [`exit`](ExitStack::exit).
    ///
    /// # Cancellation
    /// As for [`exit`](ExitStack::exit): no entry is on the stack then.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut stack = ExitStack::new();
    /// stack.callback(|| println!("first"));
    /// stack.close().await?;
    /// stack.callback(|| println!("second"));
    /// stack.exit().await
    /// # }
    /// ```
    #[doc(alias = "aclose")]
    pub async fn close(&mut self) -> Result<(), E> {
        self.end(Ending::completed()).await
    }

    /// Exits every entry, where the body has nothing to be returned.
    async fn end(&mut self, told: Ending) -> Result<(), E> {
        let (entries, _) = self.unwind(told).await;
        entries.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Exits every entry; returns what they have come to, and the body's outcome.
    fn unwind(
        &mut self,
        body: Ending,
    ) -> impl Future<Output = (thread::Result<Result<(), E>>, Option<Ending>)> + use<'e, E, S> {
        let mut unwinding = Unwinding::new(self.entries.take(), body);
        poll_fn(move |cx| unwinding.poll(cx).map(|()| unwinding.finish()))
    }
}

impl<E, S, R: Sync> Index<Key<R>> for ExitStack<'_, E, S> {
    type Output = R;

    /// The resource with this key.
    ///
    /// # Panics
    /// If it isn't on this stack: see [`get`](ExitStack::get).
    #[track_caller]
    fn index(&self, key: Key<R>) -> &R {
        self.get(key).expect(NOT_HERE)
    }
}

impl<E, S, R: Sync> IndexMut<Key<R>> for ExitStack<'_, E, S> {
    #[track_caller]
    fn index_mut(&mut self, key: Key<R>) -> &mut R {
        self.get_mut(key).expect(NOT_HERE)
    }
}

const NOT_HERE: &str =
    "the entry with this key isn't on this stack: it has been exited, or moved to another one";

impl<E, S> Debug for ExitStack<'_, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitStack")
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}

impl<E, S> Drop for ExitStack<'_, E, S> {
    fn drop(&mut self) {
        if !self.inside && !self.entries.is_empty() && !thread::panicking() {
            report::unexited(&self.entered());
        }
    }
}
