//! What a context can do to its body's outcome, as types.
//!
//! Every context has one marker type, its [`Kind`]: [`Fallible<E>`] or [`Infallible`]. Two parameters say the rest: whether the context may
//! [suppress](Suppressing) its body's failure, and whether it [wraps](Wrapping) the body in a future of its own, so that it has no guard.

use crate::AsyncContextManager;
use std::{
    error::Error,
    fmt::{self, Debug},
    marker::PhantomData,
};

/// The error of a context that can't fail: it has no values.
///
/// `let Ok(guard) = context.enter().await;` needs no error handling.
pub use std::convert::Infallible as Never;

mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// The marker of a context whose setup or teardown can fail with `E`.
pub struct Fallible<E, S = Strict, G = Guarded>(PhantomData<fn() -> (E, S, G)>);

/// The marker of a context that can't fail.
///
/// Its `with` asks for no conversion of errors, and it has [`run`](crate::ContextManager::run) for bodies that return a plain value.
pub struct Infallible<S = Strict, G = Guarded>(PhantomData<fn() -> (S, G)>);

/// The context hands its body's failure on, always: what its `with` returns is a `Result<R, B>`.
pub enum Strict {}

/// The context may swallow its body's failure or end the body early: what its `with` returns is a `Result<Option<R>, B>`.
///
/// This is what `#[async_context(suppress)]` declares. It mirrors a Python `__aexit__` that returns `True`.
pub enum Suppressing {}

/// The body runs wherever the caller likes: the context can be entered with a [`Guard`](crate::Guard).
pub enum Guarded {}

/// The context polls its body inside a future of its own (a timeout, a `select!`): it runs with `with` and `async_with!` only.
pub enum Wrapping {}

/// How the body's value comes out of a context: as it is, or perhaps not at all. Implemented by [`Strict`] and [`Suppressing`].
pub trait Suppression: Sealed + 'static {
    /// What `with` returns in place of the body's `R`.
    type Out<R>;
    /// What two contexts, one inside the other, come to.
    type Or<S: Suppression>: Suppression;
    /// `M`, whose suppression this is.
    #[doc(hidden)]
    type Known<M: AsyncContextManager + 'static>: AsyncContextManager<Resource = M::Resource, Kind = M::Kind>
        + 'static;
    /// The body's value.
    #[doc(hidden)]
    fn value<R>(value: R) -> Self::Out<R>;
    /// No value, where the type has room for that.
    #[doc(hidden)]
    fn missing<R>() -> Option<Self::Out<R>>;
}

/// What a `Result` under any name comes to: in `io::Result<T>`, the resource `T` and the error `io::Error`.
///
/// `#[async_context]` sees only the name of a return type, and so writes `<io::Result<T> as Declared>::Resource` for `T` in what the function returns. Of a `Result<T, E>` it sees both, which makes for
/// a shorter type in the docs and in the compiler's messages.
///
/// ```
/// use contextlib::kind::Declared;
/// use std::io;
///
/// let number: <io::Result<u32> as Declared>::Resource = 7_u32;
/// # assert_eq!(number, 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a `Result`, as a context function takes it to be",
    label = "taken for a `Result` here",
    note = "a type is taken for a `Result` if its name ends in `Result`, or under `#[async_context(fallible)]`; if it is what the context yields, write `#[async_context(infallible)]`, or leave out `fallible`"
)]
pub trait Declared {
    /// What the context yields.
    type Resource;
    /// What it fails with.
    type Error;
}

impl<T, E> Declared for Result<T, E> {
    type Resource = T;
    type Error = E;
}

/// What a function inside a [suppressing](Suppressing) context can return where its value is missing: `()`, and `None` of an `Option`.
///
/// [`#[within]`](macro@crate::within) asks this of what its function returns, or, if that is a `Result`, of what is in its `Ok`. Mirrors a Python
/// function whose decorator has swallowed its exception: it returns `None`.
#[diagnostic::on_unimplemented(
    message = "this context may suppress the function's failure, and then there is no `{Self}` to return",
    label = "a suppressing context around a function that returns a `{Self}`",
    note = "let the function return `()` or an `Option`, with or without a `Result` around it; or run its body with `async_with!`, which returns an `Option`"
)]
pub trait MayBeMissing {
    /// What is returned in place of a value.
    fn missing() -> Self;
}

impl MayBeMissing for () {
    fn missing() {}
}

impl<T> MayBeMissing for Option<T> {
    fn missing() -> Self {
        None
    }
}

/// A value that comes out of a context whole, if there are stand-ins for it where need be.
#[doc(hidden)]
pub trait Whole<V>: Suppression {
    fn whole(out: Self::Out<V>) -> V;
}

impl<V> Whole<V> for Strict {
    fn whole(value: V) -> V {
        value
    }
}

impl<V: MayBeMissing> Whole<V> for Suppressing {
    fn whole(value: Option<V>) -> V {
        value.unwrap_or_else(V::missing)
    }
}

impl Sealed for Strict {}
impl Suppression for Strict {
    type Out<R> = R;
    type Known<M: AsyncContextManager + 'static> = M;
    type Or<S: Suppression> = S;
    fn value<R>(value: R) -> R {
        value
    }
    fn missing<R>() -> Option<R> {
        None
    }
}

impl Sealed for Suppressing {}
impl Suppression for Suppressing {
    type Out<R> = Option<R>;
    type Known<M: AsyncContextManager + 'static> = M;
    type Or<S: Suppression> = Suppressing;
    fn value<R>(value: R) -> Option<R> {
        Some(value)
    }
    fn missing<R>() -> Option<Option<R>> {
        Some(None)
    }
}

/// A context that may swallow its body's failure: [`Suppressing`] alone.
#[diagnostic::on_unimplemented(
    message = "this context doesn't say that it may suppress its body's failure",
    label = "only a suppressing context may do this",
    note = "declare it with `#[async_context(suppress)]`; `with` then returns an `Option`, since the body's value may be missing",
    note = "what a stack calls may do this on an `ExitStack::suppressing()`, and in a `suppressing_scope` or a `suppressing_context`"
)]
pub trait CanSuppress: Suppression {}
impl CanSuppress for Suppressing {}

/// Where the body runs. Implemented by [`Guarded`] and [`Wrapping`].
pub trait Shape: Sealed + 'static {
    /// What two contexts, one inside the other, come to.
    type Or<G: Shape>: Shape;
}

impl Sealed for Guarded {}
impl Shape for Guarded {
    type Or<G: Shape> = G;
}
impl Sealed for Wrapping {}
impl Shape for Wrapping {
    type Or<G: Shape> = Wrapping;
}

/// A context's marker: its error, and what it can do to its body. Implemented by [`Fallible`] and [`Infallible`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't the kind of a context",
    label = "write `contextlib::kind::Fallible<E>`, where `E` is its error, or `contextlib::kind::Infallible`",
    note = "`std::convert::Infallible` is an error type, and called `kind::Never` here: `enter` and `exit` of an infallible context return a `Result<_, Never>`"
)]
pub trait Kind: Sealed {
    /// The error of its setup and teardown. Debug, since the error of a teardown that nobody awaits is [reported](crate::report).
    type Error: Debug;
    /// What the context function's own future returns.
    #[doc(hidden)]
    type Returned;
    /// [`Strict`] or [`Suppressing`].
    type Suppression: Suppression;
    /// [`Guarded`] or [`Wrapping`].
    type Shape: Shape;
    /// Whether there can be an error at all.
    #[doc(hidden)]
    type Fallibility: Fallibility<Error = Self::Error>;
    #[doc(hidden)]
    fn result(returned: Self::Returned) -> Result<(), Self::Error>;
    #[doc(hidden)]
    fn returned(result: Result<(), Self::Error>) -> Self::Returned;
}

impl<E, S, G> Sealed for Fallible<E, S, G> {}
impl<E: Debug, S: Suppression, G: Shape> Kind for Fallible<E, S, G> {
    type Error = E;
    type Returned = Result<(), E>;
    type Suppression = S;
    type Shape = G;
    type Fallibility = Fails<E>;
    fn result(returned: Result<(), E>) -> Result<(), E> {
        returned
    }
    fn returned(result: Result<(), E>) -> Result<(), E> {
        result
    }
}

impl<S, G> Sealed for Infallible<S, G> {}
impl<S: Suppression, G: Shape> Kind for Infallible<S, G> {
    type Error = Never;
    type Returned = ();
    type Suppression = S;
    type Shape = G;
    type Fallibility = Never;
    fn result((): ()) -> Result<(), Never> {
        Ok(())
    }
    fn returned(result: Result<(), Never>) {
        let Ok(()) = result;
    }
}

/// The marker of contexts put together: one of the kind `A` around one of the kind `B`.
///
/// Its error is:
///
/// - the error of the one that can fail;
/// - [`OneOf<…>`](OneOf) where both can;
/// - [`Never`] where neither can.
///
/// An application's error type need not know of `OneOf`: the body's error type `B` is asked for a `From` of each context's own error. If one of them
/// is suppressing or wrapping, so is the whole.
pub struct Joined<A, B>(PhantomData<fn() -> (A, B)>);

/// The kind of the failures of contexts put together.
type FallibilityOf<A, B> =
    <<A as Kind>::Fallibility as Fallibility>::Around<<B as Kind>::Fallibility>;

impl<A, B> Sealed for Joined<A, B> {}
impl<A: Kind, B: Kind> Kind for Joined<A, B> {
    type Error = <FallibilityOf<A, B> as Fallibility>::Error;
    type Returned = Result<(), Self::Error>;
    type Suppression = <A::Suppression as Suppression>::Or<B::Suppression>;
    type Shape = <A::Shape as Shape>::Or<B::Shape>;
    type Fallibility = FallibilityOf<A, B>;
    fn result(returned: Self::Returned) -> Result<(), Self::Error> {
        returned
    }
    fn returned(result: Result<(), Self::Error>) -> Self::Returned {
        result
    }
}

impl<A: Kind, B: Kind> Joined<A, B> {
    /// The outer context has failed.
    pub(crate) fn outer(error: A::Error) -> <Self as Kind>::Error {
        A::Fallibility::outer::<B::Fallibility>(error)
    }

    /// The inner context has failed.
    pub(crate) fn inner(error: B::Error) -> <Self as Kind>::Error {
        A::Fallibility::inner::<B::Fallibility>(error)
    }
}

/// The error of contexts put together of which more than one can fail.
///
/// Of a tuple `(a, b, c)` it is `OneOf<OneOf<A, B>, C>`, leaving out contexts that can't fail. `with` makes it the body's error by itself. What
/// [`enter`](crate::IntoContextManager::enter) and [`exit`](crate::Guard::exit) return is turned into an application's error by
/// [`either`](OneOf::either). [`err_into`](crate::ContextManager::err_into) does that before, for the whole context.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum OneOf<A, B> {
    /// The outer context failed, or one of the outer ones.
    Outer(A),
    /// The inner context failed.
    Inner(B),
}

impl<A, B> OneOf<A, B> {
    /// The error as an `E`, which is made from either.
    ///
    /// ```
    /// use contextlib::kind::OneOf;
    ///
    /// let error: OneOf<u8, char> = OneOf::Inner('x');
    /// assert_eq!(error.either::<String>(|n| n.to_string(), String::from), "x");
    /// ```
    pub fn either<E>(self, outer: impl FnOnce(A) -> E, inner: impl FnOnce(B) -> E) -> E {
        match self {
            OneOf::Outer(error) => outer(error),
            OneOf::Inner(error) => inner(error),
        }
    }
}

impl<A: Debug, B: Debug> Debug for OneOf<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OneOf::Outer(error) => error.fmt(f),
            OneOf::Inner(error) => error.fmt(f),
        }
    }
}

impl<A: fmt::Display, B: fmt::Display> fmt::Display for OneOf<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OneOf::Outer(error) => error.fmt(f),
            OneOf::Inner(error) => error.fmt(f),
        }
    }
}

impl<A: Error, B: Error> Error for OneOf<A, B> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OneOf::Outer(error) => error.source(),
            OneOf::Inner(error) => error.source(),
        }
    }
}

/// Whether a context can fail, and what comes of it together with another one: [`Never`], which then vanishes, or [`Fails`].
#[doc(hidden)]
pub trait Fallibility {
    type Error: Debug;
    /// A context that fails like this around one that fails like `F`.
    type Around<F: Fallibility>: Fallibility;
    /// A context that fails like this inside one that fails with `E`.
    type Within<E: Debug>: Fallibility;

    fn outer<F: Fallibility>(error: Self::Error) -> <Self::Around<F> as Fallibility>::Error;
    fn inner<F: Fallibility>(error: F::Error) -> <Self::Around<F> as Fallibility>::Error;
    fn split<F: Fallibility>(
        error: <Self::Around<F> as Fallibility>::Error,
    ) -> OneOf<Self::Error, F::Error>;

    fn outside<E: Debug>(error: E) -> <Self::Within<E> as Fallibility>::Error;
    fn inside<E: Debug>(error: Self::Error) -> <Self::Within<E> as Fallibility>::Error;
    fn divide<E: Debug>(error: <Self::Within<E> as Fallibility>::Error) -> OneOf<E, Self::Error>;
}

impl Fallibility for Never {
    type Error = Never;
    type Around<F: Fallibility> = F;
    type Within<E: Debug> = Fails<E>;

    fn outer<F: Fallibility>(error: Never) -> F::Error {
        match error {}
    }
    fn inner<F: Fallibility>(error: F::Error) -> F::Error {
        error
    }
    fn split<F: Fallibility>(error: F::Error) -> OneOf<Never, F::Error> {
        OneOf::Inner(error)
    }

    fn outside<E: Debug>(error: E) -> E {
        error
    }
    fn inside<E: Debug>(error: Never) -> E {
        match error {}
    }
    fn divide<E: Debug>(error: E) -> OneOf<E, Never> {
        OneOf::Outer(error)
    }
}

/// It can fail with an `E`.
#[doc(hidden)]
pub struct Fails<E>(PhantomData<fn() -> E>);

impl<I: Debug> Fallibility for Fails<I> {
    type Error = I;
    type Around<F: Fallibility> = F::Within<I>;
    type Within<E: Debug> = Fails<OneOf<E, I>>;

    fn outer<F: Fallibility>(error: I) -> <F::Within<I> as Fallibility>::Error {
        F::outside(error)
    }
    fn inner<F: Fallibility>(error: F::Error) -> <F::Within<I> as Fallibility>::Error {
        F::inside(error)
    }
    fn split<F: Fallibility>(error: <F::Within<I> as Fallibility>::Error) -> OneOf<I, F::Error> {
        F::divide(error)
    }

    fn outside<E: Debug>(error: E) -> OneOf<E, I> {
        OneOf::Outer(error)
    }
    fn inside<E: Debug>(error: I) -> OneOf<E, I> {
        OneOf::Inner(error)
    }
    fn divide<E: Debug>(error: OneOf<E, I>) -> OneOf<E, I> {
        error
    }
}

/// What `with` returns where its body returns an `R`: an `R`, or an `Option<R>` if the context is [`Suppressing`].
pub type Out<K, R> = <<K as Kind>::Suppression as Suppression>::Out<R>;

/// A context of this kind can raise its error as the body's error type `B`.
///
/// A [`Fallible<E>`] context needs `B: From<E>`. An [`Infallible`] one never raises anything. Where both types are foreign, there can be no such
/// `From`. Then give the context another error, with [`map_err`](crate::ContextManager::map_err) or [`err_into`](crate::ContextManager::err_into).
#[diagnostic::on_unimplemented(
    message = "the error type `{B}` can't be made from the error of this context",
    label = "the error here is a `{B}`",
    note = "a context's own error is converted to this one: implement `From<the context's error> for {B}`; if both types are foreign, change the context's error first: `context.map_err(…)`, or `context.err_into::<E>()` with an `E` that `{B}` is made from",
    note = "in closure style, `outcome` converts nothing: it returns both outcomes",
    note = "a function that takes any context asks for `impl ContextOf<T, {B}>`, or for `M::Context: AsyncContext<Kind: RaiseAs<{B}>>`"
)]
pub trait RaiseAs<B>: Kind {
    #[doc(hidden)]
    fn raise(error: Self::Error) -> B;
}

#[diagnostic::do_not_recommend]
impl<E: Debug, S: Suppression, G: Shape, B: From<E>> RaiseAs<B> for Fallible<E, S, G> {
    fn raise(error: E) -> B {
        error.into()
    }
}

#[diagnostic::do_not_recommend]
impl<S: Suppression, G: Shape, B> RaiseAs<B> for Infallible<S, G> {
    fn raise(error: Never) -> B {
        match error {}
    }
}

#[diagnostic::do_not_recommend]
impl<A: RaiseAs<X>, B: RaiseAs<X>, X> RaiseAs<X> for Joined<A, B> {
    fn raise(error: Self::Error) -> X {
        A::Fallibility::split::<B::Fallibility>(error).either(A::raise, B::raise)
    }
}

/// An error that a context in closure style may have: one that is `Send`, since the future of `with` is. Implemented for all of them.
///
/// Errors that aren't `Send` are for [`with_local`](crate::ContextManager::with_local), [`async_with!`](crate::async_with) and guards.
#[diagnostic::on_unimplemented(
    message = "this context's error `{Self}` isn't `Send`",
    label = "the context fails with `{Self}`",
    note = "let it fail with an error that is `Send`: `Box<dyn Error + Send + Sync>` instead of `Box<dyn Error>`",
    note = "`with_local`, `async_with!` and guards take errors that aren't `Send`"
)]
pub trait ContextError: Send {}

#[diagnostic::do_not_recommend]
impl<E: Send> ContextError for E {}

/// A resource that a context in closure style may hand out: one that is `Send`, since the future of `with` is. Implemented for all of them.
///
/// Resources that aren't `Send` are for [`with_local`](crate::ContextManager::with_local), [`run_local`](crate::ContextManager::run_local), [`async_with!`](crate::async_with) and guards.
#[diagnostic::on_unimplemented(
    message = "this context's resource `{Self}` isn't `Send`",
    label = "the context hands out a `{Self}`",
    note = "`with_local`, `run_local`, `async_with!` and guards take resources that aren't `Send`"
)]
pub trait ContextResource: Send {}

#[diagnostic::do_not_recommend]
impl<R: Send> ContextResource for R {}

/// A context of this kind can be entered with a guard: everything but a [`Wrapping`] one.
#[diagnostic::on_unimplemented(
    message = "this context may wrap its body, so it can't be entered with a guard",
    label = "a wrapping context polls its body inside its own yield point",
    note = "run a wrapping context with `.with(async |resource| …)` or `async_with!`. If what is around its yield wraps nothing, as in `my_log!(yield_resource!(…))`, write `#[async_context(guard)]` on the context function; under a guard, a timeout there would do nothing",
    note = "a function that takes any context asks for `M::Context: AsyncContext<Kind: CanEnter>`"
)]
pub trait CanEnter: Kind {}
#[diagnostic::do_not_recommend]
impl<E: Debug, S: Suppression> CanEnter for Fallible<E, S, Guarded> {}
#[diagnostic::do_not_recommend]
impl<S: Suppression> CanEnter for Infallible<S, Guarded> {}
#[diagnostic::do_not_recommend]
impl<A: CanEnter, B: CanEnter> CanEnter for Joined<A, B> {}

/// A context of this kind can't fail.
#[diagnostic::on_unimplemented(
    message = "this context can fail, so its body has to return a `Result`",
    label = "`run` is for contexts that can't fail",
    note = "use `.with(async |resource| -> Result<_, YourError> {{ … }})`"
)]
pub trait CannotFail: Kind<Error = Never> + RaiseAs<Never> {}
#[diagnostic::do_not_recommend]
impl<S: Suppression, G: Shape> CannotFail for Infallible<S, G> {}
#[diagnostic::do_not_recommend]
impl<A: CannotFail, B: CannotFail> CannotFail for Joined<A, B> where
    Joined<A, B>: Kind<Error = Never> + RaiseAs<Never>
{
}
