//! The protocol, for structs, and what counts as a context.

use crate::{
    AsyncBody, AsyncContext, BodyError, ContextManager, Enter, Exit, Outcome, Undecided, YieldOnce,
    boxed::BoxedManager,
    combine::{ErrInto, MapErr},
    contained::{Contained, ContainedIn},
    context_of::SendContext,
    frame::{Seed, before},
    kind::{CanEnter, CannotFail, Kind, Out, RaiseAs},
    policy::{Policy, Spawn},
    site::Definition,
};
use std::{any::type_name, fmt::Debug};

pub(crate) type ResourceOf<M> = <<M as IntoContextManager>::Context as AsyncContext>::Resource;
pub(crate) type KindOf<M> = <<M as IntoContextManager>::Context as AsyncContext>::Kind;
type ErrorOf<M> = <KindOf<M> as Kind>::Error;
type OriginOf<M> =
    <<M as IntoContextManager>::Policy as Policy<<M as IntoContextManager>::Context>>::Origin;

/// A context as a struct: setup and teardown are methods, and what they share are fields.
///
/// Mirrors a Python class with `__aenter__` and `__aexit__`, `AbstractAsyncContextManager`. Both methods have to be written: there is no default for
/// either.
///
/// A context calls these methods. To *use* the struct, call the methods of [`IntoContextManager`], which take it by value: `database.with(…)`,
/// `database.enter()`. **Have `IntoContextManager` in scope where you use the struct, and this trait only where you implement it:**
///
/// - With this trait alone, `database.enter()` is the bare setup of a `mut database`, whose resource nobody tears down.
/// - With both traits, it is the context's for a struct, and for what is in a `Box`. For a variable that is a `&mut Database` there are *multiple
///   applicable items*, says rustc.
///
/// Pass the struct by value; pass a clone if it is a handle. A struct that borrows what it needs goes through [`protocol`]:
/// `protocol(it).on_cancel::<policy::Drop>()`.
///
/// [`Kind`](AsyncContextManager::Kind) says what the context can do: [`Fallible<E>`](crate::kind::Fallible), or
/// [`Infallible`](crate::kind::Infallible), whose methods return [`Never`](crate::kind::Never) as the error. With
/// `Fallible<E, Suppressing>` the `exit` method gets an [`Exit<'_, Suppressing>`](Exit), and may call [`suppress`](Exit::suppress).
///
/// The struct is `Send + 'static`, and its policy is [`Spawn`]: if it is cancelled, it is rolled back in the background. A struct that borrows goes
/// through [`protocol`]; of such a struct, rustc says that something is *borrowed for `'static`* or *escapes*. A struct that needs another policy
/// goes through [`protocol`], too. Entering allocates the futures' box and the guard's.
///
/// ```
/// use contextlib::{AsyncContextManager, Exit, IntoContextManager, kind::Fallible};
/// use std::io;
///
/// struct AsyncDatabase {
///     url: &'static str,
/// }
///
/// struct Connection(String);
///
/// impl AsyncContextManager for AsyncDatabase {
///     type Resource = Connection;
///     type Kind = Fallible<io::Error>;
///
///     async fn enter(&mut self) -> io::Result<Connection> {
///         Ok(Connection(format!("connected to {}", self.url)))
///     }
///
///     async fn exit(&mut self, connection: Connection, exit: Exit<'_>) -> io::Result<()> {
///         println!("{exit:?}: closing the one that is {}", connection.0);
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let database = AsyncDatabase { url: "bank.db" };
/// let length = database
///     .with(async |connection| -> io::Result<usize> { Ok(connection.0.len()) })
///     .await?;
/// assert_eq!(length, "connected to bank.db".len());
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "AbstractAsyncContextManager",
    "AbstractContextManager",
    "__aenter__",
    "__aexit__",
    "__enter__",
    "__exit__"
))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a context",
    label = "neither an `AsyncContextManager` nor what a context function returns",
    note = "implement `AsyncContextManager` for `{Self}`; if it is a context function, call it: `name(…)`"
)]
pub trait AsyncContextManager: Send {
    /// What the context hands to its body.
    type Resource: Send;
    /// Its error, and what it can do to its body's outcome.
    type Kind: Kind;

    /// The setup.
    ///
    /// # Errors
    /// Whatever keeps it from having a resource. The body doesn't run then, and `exit` isn't called.
    ///
    /// # Cancellation
    /// The setup of a cancelled caller is dropped where it stands, and `exit` isn't called.
    fn enter(
        &mut self,
    ) -> impl Future<Output = Result<Self::Resource, <Self::Kind as Kind>::Error>> + Send;

    /// The teardown, told how the body ended. It runs once for each `enter` that succeeded, unless the context is cancelled under a
    /// [policy](crate::policy) that doesn't run it, such as [`Drop`](crate::policy::Drop).
    ///
    /// # Errors
    /// The context's own. The body's error is handed on by itself.
    fn exit(
        &mut self,
        resource: Self::Resource,
        exit: Exit<'_, <Self::Kind as Kind>::Suppression>,
    ) -> impl Future<Output = Result<(), <Self::Kind as Kind>::Error>> + Send;
}

/// A struct that is to be a context more than once: `protocol(&mut database).on_cancel::<policy::Drop>()`.
impl<M: AsyncContextManager> AsyncContextManager for &mut M {
    type Resource = M::Resource;
    type Kind = M::Kind;

    fn enter(
        &mut self,
    ) -> impl Future<Output = Result<M::Resource, <M::Kind as Kind>::Error>> + Send {
        M::enter(self)
    }

    fn exit(
        &mut self,
        resource: M::Resource,
        exit: Exit<'_, <M::Kind as Kind>::Suppression>,
    ) -> impl Future<Output = Result<(), <M::Kind as Kind>::Error>> + Send {
        M::exit(self, resource, exit)
    }
}

/// What can be used as a context: what a context function returns, a struct that is an [`AsyncContextManager`], a tuple of contexts.
///
/// Has the methods of [`ContextManager`] for all of them, so that nothing has to be converted by hand. Mirrors whatever may stand after Python's
/// `async with`.
///
/// # Tuples
///
/// A tuple of up to twelve contexts is one context, in one frame: it costs no more allocations than one.
///
/// - The contexts are entered from left to right and exited from right to left. Each is told the outcome as those inside it have left it.
/// - A setup that fails, or is cancelled, tears down what was entered before it.
/// - The resource is the tuple of their resources.
/// - The tuple may suppress if one of them may, and it wraps its body if one of them does.
/// - What becomes of the tuple when its caller is gone is told at [`policy::Combine`](crate::policy::Combine). If the caller is gone while one of
///   them is torn down, that teardown goes on as it was told, and those around it are told that they were cancelled: as in nested `with`s and blocks,
///   and in Python.
/// - A [report](crate::report) of the whole calls it `tuple`.
///
/// `with` makes each context's error the body's, by `From`. `enter` and `exit` return the error of the one that can fail, and a
/// [`OneOf`](crate::kind::OneOf) if several can. [`err_into`](IntoContextManager::err_into) makes that one error.
///
/// The outer contexts are told of an inner one's error as it is: it becomes the body's error only when it leaves the tuple. (In nested `with`s and
/// blocks, it has become the body's before that; on a stack, the stack's.) Where this matters, to [`suppress`](crate::contexts::suppress) for
/// example, write `inner.err_into::<Error>()` in the tuple.
///
/// ```
/// use contextlib::{IntoContextManager, async_context, yield_resource};
/// use std::{fmt, io};
///
/// #[async_context]
/// async fn file() -> Result<Vec<u8>, io::Error> {
///     let _ = yield_resource!(Vec::new());
/// }
///
/// #[async_context]
/// async fn number() -> Result<u8, fmt::Error> {
///     let _ = yield_resource!(7);
/// }
///
/// #[derive(Debug)]
/// enum AppError {
///     File(io::Error),
///     Number(fmt::Error),
/// }
/// # impl From<io::Error> for AppError { fn from(error: io::Error) -> Self { AppError::File(error) } }
/// # impl From<fmt::Error> for AppError { fn from(error: fmt::Error) -> Self { AppError::Number(error) } }
///
/// async fn written() -> Result<usize, AppError> {
///     (file(), number())
///         .with(async |(file, number)| {
///             file.push(*number);
///             Ok(file.len())
///         })
///         .await
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() { assert_eq!(written().await.unwrap(), 1) }
/// ```
///
/// # Functions that take any context
///
/// They ask for [`ContextOf`](crate::ContextOf), which says what the context yields and what its errors become:
/// `async fn doubled(context: impl ContextOf<u8, io::Error>)`. A parameter of one type, [`BoxContextManager`](crate::BoxContextManager), needs no
/// bounds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a context",
    label = "neither what a context function returns, nor an `AsyncContextManager`, nor a tuple of contexts",
    note = "if it is a struct, implement `AsyncContextManager` for it, and pass it by value: a clone, if it is a handle",
    note = "if it is a context function, or there is one in the tuple, call it: `name(…)`; if it is a guard, it is entered already",
    note = "if `protocol` or `combine` returned it, choose its policy: `.on_cancel::<policy::Drop>()`",
    note = "if it is a tuple of up to twelve contexts, their `on_cancel` policies don't go together, or one of them is boxed and keeps its policy inside: choose one policy for all, as in `combine((…)).on_cancel::<policy::Spawn>()`",
    note = "several in a `Vec` or an array, or one in an `Option`, are entered on an `ExitStack`; if it is a stack itself, write `ExitStack::context()`"
)]
#[cfg_attr(
    not(feature = "tokio"),
    diagnostic::on_unimplemented(
        note = "without the feature `tokio`, a struct needs a policy: `protocol(it).on_cancel::<policy::Drop>()`"
    )
)]
pub trait IntoContextManager: Sized {
    /// What is run.
    type Context: AsyncContext;
    /// What becomes of it when its caller is gone.
    type Policy: Policy<Self::Context>;

    /// The context to run. Nothing runs yet.
    #[track_caller]
    fn into_context_manager(self) -> ContextManager<Self::Context, Self::Policy>;

    /// [`ContextManager::err_into`]: the same context with its error converted into `E`.
    ///
    /// If the contexts of a tuple fail with different errors, [`enter`](IntoContextManager::enter) returns a [`OneOf`](crate::kind::OneOf). `?` can't
    /// make that the application's error. After `err_into`, the error is the application's already.
    ///
    /// ```
    /// use contextlib::{IntoContextManager, async_context, yield_resource};
    /// # use std::{fmt, io};
    /// # #[derive(Debug)]
    /// # enum AppError { Io(io::Error), Fmt(fmt::Error) }
    /// # impl From<io::Error> for AppError { fn from(error: io::Error) -> Self { AppError::Io(error) } }
    /// # impl From<fmt::Error> for AppError { fn from(error: fmt::Error) -> Self { AppError::Fmt(error) } }
    ///
    /// #[async_context]
    /// async fn file() -> Result<(), io::Error> {
    ///     let _ = yield_resource!();
    /// }
    ///
    /// #[async_context]
    /// async fn number() -> Result<u32, fmt::Error> {
    ///     let _ = yield_resource!(1);
    /// }
    ///
    /// async fn both() -> Result<u32, AppError> {
    ///     let guard = (file(), number()).err_into::<AppError>().enter().await?;
    ///     let number = guard.1;
    ///     guard.exit().await?;
    ///     Ok(number)
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { assert_eq!(both().await.unwrap(), 1) }
    /// ```
    #[track_caller]
    fn err_into<E>(self) -> ContextManager<ErrInto<Self::Context, E>, Self::Policy>
    where
        KindOf<Self>: RaiseAs<E>,
        E: Debug,
        Self::Policy: Policy<ErrInto<Self::Context, E>>,
    {
        self.into_context_manager().err_into()
    }

    /// [`ContextManager::map_err`]: the same context with another error.
    #[track_caller]
    fn map_err<E, F>(self, map: F) -> ContextManager<MapErr<Self::Context, F>, Self::Policy>
    where
        F: Fn(ErrorOf<Self>) -> E,
        E: Debug,
        Self::Policy: Policy<MapErr<Self::Context, F>>,
    {
        self.into_context_manager().map_err(map)
    }

    /// [`ContextManager::boxed`]: hides which context this is.
    #[track_caller]
    fn boxed<'a>(self) -> BoxedManager<'a, ResourceOf<Self>, KindOf<Self>>
    where
        Self::Context: Send + 'a,
        ResourceOf<Self>: 'a,
        KindOf<Self>: 'a,
        Self::Policy: 'a,
        OriginOf<Self>: Send + 'a,
    {
        self.into_context_manager().boxed()
    }

    /// [`ContextManager::enter`]: runs the setup and returns a [`Guard`](crate::Guard) with the resource.
    ///
    /// # Errors
    /// The setup's error.
    ///
    /// # Panics
    /// As for [`ContextManager::enter`].
    ///
    /// # Cancellation
    /// As for [`ContextManager::enter`].
    #[track_caller]
    fn enter(self) -> Enter<Self::Context, Self::Policy>
    where
        KindOf<Self>: CanEnter,
    {
        self.into_context_manager().enter()
    }

    /// [`ContextManager::with`]: setup, body, teardown.
    ///
    /// # Errors
    /// The body's error; else the context's, converted with `From`.
    ///
    /// # Panics
    /// As for [`ContextManager::with`].
    ///
    /// # Cancellation
    /// As for [`ContextManager::with`].
    #[track_caller]
    fn with<'b, R, B, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Result<Out<KindOf<Self>, R>, B>> + Send
    where
        Self: SendContext,
        KindOf<Self>: RaiseAs<B>,
        R: Send,
        B: BodyError,
        ResourceOf<Self>: 'b,
        F: AsyncFnOnce(&mut ResourceOf<Self>) -> Result<R, B>
            + AsyncBody<&'b mut ResourceOf<Self>, Fut>
            + Send,
        Fut: Future<Output = Result<R, B>> + Send,
    {
        self.into_context_manager().with(body)
    }

    /// [`ContextManager::with_local`]: [`with`](IntoContextManager::with) for what isn't `Send`.
    ///
    /// # Errors
    /// As for [`with`](IntoContextManager::with).
    ///
    /// # Panics
    /// As for [`ContextManager::with_local`].
    ///
    /// # Cancellation
    /// As for [`ContextManager::with_local`].
    #[track_caller]
    fn with_local<'b, R, B, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Result<Out<KindOf<Self>, R>, B>>
    where
        KindOf<Self>: RaiseAs<B>,
        B: Debug + 'static,
        ResourceOf<Self>: 'b,
        F: AsyncFnOnce(&mut ResourceOf<Self>) -> Result<R, B>
            + AsyncBody<&'b mut ResourceOf<Self>, Fut>,
        Fut: Future<Output = Result<R, B>>,
    {
        self.into_context_manager().with_local(body)
    }

    /// [`ContextManager::run`]: [`with`](IntoContextManager::with) for a context that can't fail.
    ///
    /// # Panics
    /// As for [`ContextManager::run`].
    ///
    /// # Cancellation
    /// As for [`ContextManager::run`].
    #[track_caller]
    fn run<'b, R, F, Fut>(self, body: F) -> impl Future<Output = Out<KindOf<Self>, R>> + Send
    where
        Self: SendContext,
        KindOf<Self>: CannotFail,
        R: Send,
        ResourceOf<Self>: 'b,
        F: AsyncFnOnce(&mut ResourceOf<Self>) -> R
            + AsyncBody<&'b mut ResourceOf<Self>, Fut>
            + Send,
        Fut: Future<Output = R> + Send,
    {
        self.into_context_manager().run(body)
    }

    /// [`ContextManager::run_local`]: [`run`](IntoContextManager::run) for what isn't `Send`.
    ///
    /// # Panics
    /// As for [`ContextManager::run_local`].
    ///
    /// # Cancellation
    /// As for [`ContextManager::run_local`].
    #[track_caller]
    fn run_local<'b, R, F, Fut>(self, body: F) -> impl Future<Output = Out<KindOf<Self>, R>>
    where
        KindOf<Self>: CannotFail,
        ResourceOf<Self>: 'b,
        F: AsyncFnOnce(&mut ResourceOf<Self>) -> R + AsyncBody<&'b mut ResourceOf<Self>, Fut>,
        Fut: Future<Output = R>,
    {
        self.into_context_manager().run_local(body)
    }

    /// [`ContextManager::outcome`]: [`with`](IntoContextManager::with), returning the body's outcome and the context's.
    ///
    /// # Panics
    /// As for [`ContextManager::outcome`].
    ///
    /// # Cancellation
    /// As for [`ContextManager::outcome`].
    #[track_caller]
    fn outcome<'b, R, B, F, Fut>(
        self,
        body: F,
    ) -> impl Future<Output = Outcome<R, B, ErrorOf<Self>>> + Send
    where
        Self: SendContext,
        R: Send,
        B: BodyError,
        ResourceOf<Self>: 'b,
        F: AsyncFnOnce(&mut ResourceOf<Self>) -> Result<R, B>
            + AsyncBody<&'b mut ResourceOf<Self>, Fut>
            + Send,
        Fut: Future<Output = Result<R, B>> + Send,
    {
        self.into_context_manager().outcome(body)
    }
}

#[diagnostic::do_not_recommend]
impl<M: AsyncContextManagerOrTuple> IntoContextManager for M {
    type Context = M::Context;
    type Policy = M::Policy;

    fn into_context_manager(self) -> ContextManager<M::Context, M::Policy> {
        self.manager()
    }
}

/// What counts as a context: what [`IntoContextManager`] is implemented for. Not to be implemented itself.
///
/// [`IntoContextManager`] has one implementation, for all types of this trait. So if a method is called on something else, rustc says what is missing, by this
/// trait's name. If there were several implementations, it would only say that none applies.
//
// The messages are those of `IntoContextManager`, word by word.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a context",
    label = "neither what a context function returns, nor an `AsyncContextManager`, nor a tuple of contexts",
    note = "if it is a struct, implement `AsyncContextManager` for it, and pass it by value: a clone, if it is a handle",
    note = "if it is a context function, or there is one in the tuple, call it: `name(…)`; if it is a guard, it is entered already",
    note = "if `protocol` or `combine` returned it, choose its policy: `.on_cancel::<policy::Drop>()`",
    note = "if it is a tuple of up to twelve contexts, their `on_cancel` policies don't go together, or one of them is boxed and keeps its policy inside: choose one policy for all, as in `combine((…)).on_cancel::<policy::Spawn>()`",
    note = "several in a `Vec` or an array, or one in an `Option`, are entered on an `ExitStack`; if it is a stack itself, write `ExitStack::context()`"
)]
#[cfg_attr(
    not(feature = "tokio"),
    diagnostic::on_unimplemented(
        note = "without the feature `tokio`, a struct needs a policy: `protocol(it).on_cancel::<policy::Drop>()`"
    )
)]
pub trait AsyncContextManagerOrTuple: Sized {
    type Context: AsyncContext;
    type Policy: Policy<Self::Context>;
    #[track_caller]
    fn manager(self) -> ContextManager<Self::Context, Self::Policy>;
}

impl<C: AsyncContext, P: Policy<C>> AsyncContextManagerOrTuple for ContextManager<C, P> {
    type Context = C;
    type Policy = P;

    fn manager(self) -> ContextManager<C, P> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<M> AsyncContextManagerOrTuple for M
where
    M: AsyncContextManager<Resource: 'static, Kind: 'static> + 'static,
    Spawn: Policy<ContainedIn<M>>,
{
    type Context = ContainedIn<M>;
    type Policy = Spawn;

    fn manager(self) -> ContextManager<Self::Context, Spawn> {
        ContextManager::new(Seed::new(Contained::new(seed_of(self).grow())))
    }
}

/// A struct's context with another policy than [`Spawn`], or of a struct that borrows: `protocol(session).on_cancel::<policy::Drop>()`.
///
/// Elsewhere the struct is a context by itself.
///
/// ```
/// use contextlib::{AsyncContextManager, Exit, kind::{Infallible, Never}, policy, protocol};
///
/// struct Indent<'a>(&'a mut usize);
///
/// impl AsyncContextManager for Indent<'_> {
///     type Resource = usize;
///     type Kind = Infallible;
///
///     async fn enter(&mut self) -> Result<usize, Never> {
///         *self.0 += 1;
///         Ok(*self.0)
///     }
///
///     async fn exit(&mut self, _: usize, _: Exit<'_>) -> Result<(), Never> {
///         *self.0 -= 1;
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut depth = 0;
/// let indented = protocol(Indent(&mut depth)).on_cancel::<policy::Drop>();
/// assert_eq!(indented.run(async |depth| *depth).await, 1);
/// assert_eq!(depth, 0);
/// # }
/// ```
#[track_caller]
pub fn protocol<M: AsyncContextManager>(
    manager: M,
) -> Undecided<impl AsyncContext<Resource = M::Resource, Kind = M::Kind> + Send> {
    Undecided::new(seed_of(manager))
}

#[track_caller]
fn seed_of<M: AsyncContextManager>(
    manager: M,
) -> Seed<impl AsyncContext<Resource = M::Resource, Kind = M::Kind> + Send> {
    let definition = Definition::here(short_name::<M>);
    before::<M::Resource, M::Kind, _>(
        definition,
        false,
        async move |yielder: YieldOnce<'_, _, _>| {
            let mut manager = manager;
            let resource = match AsyncContextManager::enter(&mut manager).await {
                Ok(resource) => resource,
                Err(error) => return M::Kind::returned(Err(error)),
            };
            let (resource, exit) = yielder.lend(resource).await;
            M::Kind::returned(manager.exit(resource, exit).await)
        },
    )
}

/// A type's name without its module and its parameters.
fn short_name<M>() -> &'static str {
    let name = type_name::<M>();
    let name = name.split_once('<').map_or(name, |(name, _)| name);
    name.rsplit_once("::").map_or(name, |(_, name)| name)
}
