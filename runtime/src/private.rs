//! Not public API: what the macros' output names. None of it relies on being called by a macro.

pub use crate::frame::{Body, Ending};
pub use contextlib_macros::async_with;

use crate::{
    AsyncContext, BoxedManager, ContextManager, Definition, IntoContextManager,
    background::{Entered, Style},
    frame::{FrameOf, Home, YieldFn, before},
    kind::{Declared, Kind},
    policy::{self, Policy, Storage},
    session::Session,
};
use std::{convert::Infallible, marker::PhantomData, panic::Location, pin::Pin};

/// What the body of a context function declared with the result type `R` returns.
pub type Ends<R> = Result<(), <R as Declared>::Error>;

/// What the body of a fallible context function may end in.
#[diagnostic::on_unimplemented(
    message = "a context function ends in `()` or in a `Result<(), {E}>`, not in a value of type `{Self}`",
    label = "end the function with `Ok(())` or with nothing: the resource goes out through `yield_resource!`, and `?` converts an error",
    note = "if that is a future, await it: `.await`"
)]
pub trait Tail<E> {
    fn end(self) -> Result<(), E>;
}

#[diagnostic::do_not_recommend]
impl<E> Tail<E> for () {
    fn end(self) -> Result<(), E> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<V, E> Tail<E> for Result<V, E>
where
    (): Nothing<V>,
{
    fn end(self) -> Result<(), E> {
        self.map(|_nothing| ())
    }
}

/// Says that `V` is `()`, in the form by which rustc infers it: a tail `Err(…)` alone says nothing of what would be in an `Ok`.
pub trait Nothing<V> {}
impl Nothing<()> for () {}

/// Names `!` on a stable compiler.
pub trait Returns {
    type Out;
}
impl<T> Returns for fn() -> T {
    type Out = T;
}

#[diagnostic::do_not_recommend]
impl<E> Tail<E> for <fn() -> ! as Returns>::Out {
    fn end(self) -> Result<(), E> {
        self
    }
}

/// What was returned by a function that is run within contexts, and whose type isn't a `Result` by its name.
pub struct Returning<'v, V>(pub &'v V);

impl<V, E> Returning<'_, Result<V, E>> {
    /// It is a `Result` all the same. Method lookup finds this one before that of [`NoResult`].
    pub fn no_result(&self)
    where
        Result<V, E>: ByItsName,
    {
    }
}

/// For what is no `Result`.
pub trait NoResult {
    fn no_result(&self) {}
}

impl<V> NoResult for Returning<'_, V> {}

/// Implemented for nothing. Its message says what to do.
#[diagnostic::on_unimplemented(
    message = "this function returns a `Result`, though its type's name doesn't say so",
    label = "to the contexts, an `Err` would be a success",
    note = "write `#[within(fallible, …)]`: then an `Err` is a failure to the contexts, and their errors are converted to its type; or `#[within(infallible, …)]`, if it is a value like any other"
)]
pub trait ByItsName {}

/// What the functions below return. Not an `impl AsyncContext`, which would repeat their bounds, and with them each compiler error, wherever it is mentioned. The
/// return type of the context function itself is one.
type Made<F, T, K, P> = ContextManager<FrameOf<F, T, K>, P>;

/// What is known of a context function.
pub struct Defined {
    definition: Definition,
    polls_body: bool,
}

/// A context function of this name, defined where this is called, that awaits its yield point itself.
#[track_caller]
pub fn defined(name: fn() -> &'static str) -> Defined {
    Defined {
        definition: Definition::here(name),
        polls_body: false,
    }
}

/// [`defined`], for a context function whose yield point is, or may be, inside a future that it makes.
#[track_caller]
pub fn defined_around_its_body(name: fn() -> &'static str) -> Defined {
    Defined {
        definition: Definition::here(name),
        polls_body: true,
    }
}

/// Says that the feature `tokio` is on. It has a parameter, the frame: a bound without one, which can't hold, would be an error where it stands.
#[diagnostic::on_unimplemented(
    message = "the `on_cancel` policies `spawn` (the default), `spawn_local` and `block` need the feature `tokio` of `contextlib`",
    label = "without the feature `tokio`, nothing can run this context's teardown once its caller is gone",
    note = "turn on the feature `tokio`; or write `#[async_context(on_cancel = drop)]`, or `on_cancel = YourPolicy` for another executor"
)]
pub trait Tokio {}
#[cfg(feature = "tokio")]
impl<F> Tokio for F {}

fn made<P, T, K, F>(defined: Defined, block: F) -> Made<F, T, K, P>
where
    K: Kind,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned>,
{
    let Defined {
        definition,
        polls_body,
    } = defined;
    ContextManager::new(before::<T, K, F>(definition, polls_body, block))
}

/// Makes the manager of a context whose policy is `spawn`. The name is what a compiler error shows.
///
/// That the frame is `Send` altogether is for the return type of the context function to say. Here are the bounds with an error that names the
/// variable which isn't.
pub fn on_cancel_spawn_needs_a_frame_that_is_send_and_static<T, K, F>(
    defined: Defined,
    block: F,
) -> Made<F, T, K, policy::Spawn>
where
    K: Kind + 'static,
    T: 'static,
    F: Tokio,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned, Fut: Send> + 'static,
{
    made(defined, block)
}

/// The same, for contexts of this crate, which are there with and without the feature `tokio`.
pub(crate) fn spawned<T, K, F>(defined: Defined, block: F) -> Made<F, T, K, policy::Spawn>
where
    K: Kind + 'static,
    T: 'static,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned, Fut: Send> + 'static,
{
    made(defined, block)
}

/// As above, with `setup = finish`.
pub fn setup_finish_needs_a_frame_that_is_send_and_static<T, K, F>(
    defined: Defined,
    block: F,
) -> Made<F, T, K, policy::FinishSetup>
where
    K: Kind + 'static,
    T: 'static,
    F: Tokio,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned, Fut: Send> + 'static,
{
    made(defined, block)
}

/// Makes the manager of a context whose policy is `spawn_local`.
pub fn on_cancel_spawn_local_needs_a_static_frame<T, K, F>(
    defined: Defined,
    block: F,
) -> Made<F, T, K, policy::SpawnLocal>
where
    K: Kind + 'static,
    T: 'static,
    F: Tokio,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned> + 'static,
{
    made(defined, block)
}

/// Makes the manager of a context whose policy is `block`.
pub fn on_cancel_block<T, K, F>(defined: Defined, block: F) -> Made<F, T, K, policy::Block>
where
    K: Kind,
    F: Tokio,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned>,
{
    made(defined, block)
}

/// Makes the manager of a context whose policy is `drop`.
pub fn on_cancel_drop<T, K, F>(defined: Defined, block: F) -> Made<F, T, K, policy::Drop>
where
    K: Kind,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned>,
{
    made(defined, block)
}

/// Makes the manager of a context whose policy is a type of the user's.
pub fn on_cancel<P, T, K, F>(defined: Defined, block: F) -> Made<F, T, K, P>
where
    K: Kind,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned>,
{
    made(defined, block)
}

/// Checks that a policy takes this context. It can't be a bound of the function above: to rustc, a frame that is named there isn't one for every brand.
pub fn frame_must_satisfy_its_on_cancel_policy<P: Policy<C>, C: AsyncContext>(
    manager: ContextManager<C, P>,
) -> ContextManager<C, P> {
    manager
}

/// A context in block style, whose frame lies in a local of the block.
pub struct Opening<C: AsyncContext, P> {
    entered: Entered,
    home: Home<C::Resource>,
    /// Whether there has been a session. Another one would have the same number.
    used: bool,
    _policy: PhantomData<fn() -> P>,
}

/// Block style.
pub struct Block;

impl Block {
    /// Takes a context apart.
    //
    // A method, since the caller of one is where its name stands.
    #[track_caller]
    pub fn open<M, C, P>(self, context: M) -> (Opening<C, P>, P::Storage)
    where
        // `C` and `P` are parameters: for something that is no context, `M::Context` and `M::Policy` in the return type would be a second error.
        M: IntoContextManager<Context = C, Policy = P>,
        C: AsyncContext,
        P: Policy<C>,
    {
        let seed = context.into_context_manager().into_seed();
        let entered = Entered::now(|| seed.definition(), Location::caller(), Style::Body);
        let storage = Storage::store(seed);
        let opening = Opening {
            entered,
            home: Home::new(),
            used: false,
            _policy: PhantomData,
        };
        (opening, storage)
    }
}

impl<C: AsyncContext, P: Policy<C>> Opening<C, P> {
    pub fn session<'a>(&'a mut self, storage: Pin<&'a mut P::Storage>) -> Session<'a, C, P> {
        assert!(!self.used, "a block enters its context once");
        self.used = true;
        Session::new(storage, &self.entered, &mut self.home)
    }
}

/// What the body of a block returns.
#[diagnostic::on_unimplemented(
    message = "the body of `async_with!` has to return a `Result`, not a `{Self}`",
    label = "returns a `{Self}`",
    note = "its error type is what a context's own error becomes: `async || -> Result<_, YourError> {{ Ok(value) }}`"
)]
pub trait Returned {
    type Value;
    type Error;
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}
#[diagnostic::do_not_recommend]
impl<V, B> Returned for Result<V, B> {
    type Value = V;
    type Error = B;
    fn into_result(self) -> Self {
        self
    }
}

/// How what a body returns is made a `Result`. For a body that returns something else, this is the one place with an error.
pub fn returned<O, V, B>() -> fn(O) -> Result<V, B>
where
    O: Returned<Value = V, Error = B>,
{
    O::into_result
}

/// The value of a body that can't fail.
pub fn value<R>(result: Result<R, Infallible>) -> R {
    let Ok(value) = result;
    value
}

/// Boxes a manager. A function, since rustc then says which of its bounds isn't satisfied. Of a method, it would only say that some aren't.
pub fn boxed_needs_a_frame_that_is_send<'a, C, P>(
    manager: ContextManager<C, P>,
) -> BoxedManager<'a, C::Resource, C::Kind>
where
    C: AsyncContext + Send + 'a,
    C::Resource: 'a,
    C::Kind: 'a,
    P: Policy<C> + 'a,
    P::Origin: Send + 'a,
{
    manager.boxed()
}
