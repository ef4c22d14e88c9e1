//! What a context can do to its body's outcome, as types.
//!
//! Every context has one marker type, its [`Kind`]: [`Fallible<E>`] or [`Infallible`]. Two parameters say the rest: whether the context may
//! [suppress](Suppressing) its body's failure, and whether it [wraps](Wrapping) the body in a future of its own, so that it has no guard.

use std::{fmt::Debug, marker::PhantomData};

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
    /// The body's value.
    #[doc(hidden)]
    fn value<R>(value: R) -> Self::Out<R>;
    /// No value, where the type has room for that.
    #[doc(hidden)]
    fn missing<R>() -> Option<Self::Out<R>>;
}

impl Sealed for Strict {}
impl Suppression for Strict {
    type Out<R> = R;
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
    note = "declare it with `#[async_context(suppress)]`; `with` then returns an `Option`, since the body's value may be missing"
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
    fn result((): ()) -> Result<(), Never> {
        Ok(())
    }
    fn returned(result: Result<(), Never>) {
        let Ok(()) = result;
    }
}

/// What `with` returns where its body returns an `R`: an `R`, or an `Option<R>` if the context is [`Suppressing`].
pub type Out<K, R> = <<K as Kind>::Suppression as Suppression>::Out<R>;

/// A context of this kind can raise its error as the body's error type `B`.
///
/// A [`Fallible<E>`] context needs `B: From<E>`; an [`Infallible`] one never raises anything.
#[diagnostic::on_unimplemented(
    message = "the body's error type `{B}` can't be made from the error of this context",
    label = "the body of this context fails with `{B}`",
    note = "a context's own error reaches the caller as the body's error: implement `From<the context's error> for {B}`, or use `outcome`, which returns both"
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

impl<S: Suppression, G: Shape, B> RaiseAs<B> for Infallible<S, G> {
    fn raise(error: Never) -> B {
        match error {}
    }
}

/// A context of this kind can be entered with a guard: everything but a [`Wrapping`] one.
#[diagnostic::on_unimplemented(
    message = "this context wraps its body, so it can't be entered with a guard",
    label = "the context polls its body inside its own yield point",
    note = "run it with `.with(async |resource| …)` or `async_with!`; `#[async_context(guard)]` on the context function overrides the guess"
)]
pub trait CanEnter: Kind {}
#[diagnostic::do_not_recommend]
impl<E: Debug, S: Suppression> CanEnter for Fallible<E, S, Guarded> {}
#[diagnostic::do_not_recommend]
impl<S: Suppression> CanEnter for Infallible<S, Guarded> {}

/// A context of this kind can't fail.
#[diagnostic::on_unimplemented(
    message = "this context can fail, so its body has to return a `Result`",
    label = "`run` is for contexts that can't fail",
    note = "use `.with(async |resource| -> Result<_, YourError> {{ … }})`"
)]
pub trait CannotFail: Kind<Error = Never> + RaiseAs<Never> {}
#[diagnostic::do_not_recommend]
impl<S: Suppression, G: Shape> CannotFail for Infallible<S, G> {}
