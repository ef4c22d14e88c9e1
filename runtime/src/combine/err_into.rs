//! A context with another error type.

use crate::{
    AsyncContext, ContextManager, Definition,
    background::Abandonment,
    frame::{Body, NotEntered, Sealed, Seed, hands_on},
    kind::{Fallible, Kind, RaiseAs},
    policy::{Policy, RollsItselfBack, Spawn},
};
use pin_project_lite::pin_project;
use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A context whose errors are raised as an `E`.
    pub struct ErrInto<C, E> {
        #[pin]
        context: C,
        _error: PhantomData<fn() -> E>,
    }
}

impl<C: AsyncContext, P> ContextManager<C, P> {
    /// The same context with its error converted into `E`: for [`enter`](ContextManager::enter), or for contexts in one vector.
    ///
    /// [`with`](ContextManager::with) converts it anyway.
    ///
    /// ```
    /// use contextlib::{IntoContextManager, async_context, yield_resource};
    /// use std::{fmt, io};
    ///
    /// #[async_context]
    /// async fn file() -> Result<(), io::Error> {
    ///     let _ = yield_resource!();
    /// }
    ///
    /// #[async_context]
    /// async fn number() -> Result<(), fmt::Error> {
    ///     let _ = yield_resource!();
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[derive(Debug)]
    /// # enum AppError { Io(io::Error), Fmt(fmt::Error) }
    /// # impl From<io::Error> for AppError { fn from(error: io::Error) -> Self { AppError::Io(error) } }
    /// # impl From<fmt::Error> for AppError { fn from(error: fmt::Error) -> Self { AppError::Fmt(error) } }
    /// # async fn both() -> Result<(), AppError> {
    /// let both = (file(), number()).into_context_manager().err_into::<AppError>();
    /// let guard = both.enter().await?;
    /// guard.exit().await
    /// # }
    /// # both().await.unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn err_into<E>(self) -> ContextManager<ErrInto<C, E>, P>
    where
        C::Kind: RaiseAs<E>,
        E: std::fmt::Debug,
        P: Policy<ErrInto<C, E>>,
    {
        ContextManager::new(Seed::new(self.into_seed().into_inner()))
    }
}

/// As for [tuples](crate::combine).
impl<C, E> RollsItselfBack for ErrInto<C, E>
where
    Self: AsyncContext,
    Spawn: Policy<Self>,
{
    fn roll_back(frame: Abandonment<Self>) {
        Spawn::take_over(frame, Spawn::origin());
    }
}

impl<C: AsyncContext, E> ErrInto<C, E> {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().context
    }
}

impl<C: AsyncContext, E> Sealed for ErrInto<C, E> {}

#[diagnostic::do_not_recommend]
impl<C, E> AsyncContext for ErrInto<C, E>
where
    C: AsyncContext<Kind: RaiseAs<E>>,
    E: std::fmt::Debug,
{
    type Resource = C::Resource;
    type Kind = Fallible<E, <C::Kind as Kind>::Suppression, <C::Kind as Kind>::Shape>;
    type Seed = C::Seed;

    fn grow(seed: C::Seed) -> Self {
        ErrInto {
            context: C::grow(seed),
            _error: PhantomData,
        }
    }

    fn defined(seed: &C::Seed) -> Definition {
        C::defined(seed)
    }

    hands_on! { definition polls_body around interrupt begin_body resume resume_evicted finish }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<C::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<E>>> {
        let set_up = self.inner().poll_setup(room, cx);
        set_up.map_err(|not_entered| not_entered.map(C::Kind::raise))
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, C::Resource>,
    ) -> Poll<Result<(), E>> {
        let ended = self.inner().poll_body(cx, body);
        ended.map_err(C::Kind::raise)
    }

    fn poll_teardown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner().poll_teardown(cx).map_err(C::Kind::raise)
    }
}
