//! A context that may be missing.

use crate::{
    AsyncContext, ContextManager, Definition, IntoContextManager,
    background::{Abandonment, Below, Entered, Left},
    frame::{Body, BodyPoll, Ending, ErrorOf, Lodging, NotEntered, Sealed, Seed, is_its_own_seed},
    kind::{Infallible, Never},
    policy::{self, Policy, RollsBack},
    protocol::AsyncContextManagerOrTuple,
    trace::OuterSpan,
};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A context, or none.
    #[project = MaybeProjection]
    pub enum Maybe<C> {
        Present { #[pin] context: C },
        Missing { absent: Absent },
    }
}

/// What stands for a context that isn't there.
pub struct Absent {
    definition: Definition,
    ending: Option<Ending>,
}

/// What a [`Maybe`] is made from.
pub struct MaybeSeed<S>(Result<S, Absent>);

impl Absent {
    #[track_caller]
    fn here() -> Self {
        Absent {
            definition: Definition::here(|| "None"),
            ending: None,
        }
    }

    fn take(&mut self) -> Self {
        Absent {
            definition: self.definition,
            ending: self.ending.take(),
        }
    }
}

impl Sealed for Absent {}

#[diagnostic::do_not_recommend]
impl AsyncContext for Absent {
    type Resource = ();
    type Kind = Infallible;

    is_its_own_seed!();

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.definition
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        false
    }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<()>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<Never>>> {
        *room = Some(());
        Poll::Ready(Ok(()))
    }

    fn resume(mut self: Pin<&mut Self>, room: &mut Option<()>, ending: Ending) {
        *room = None;
        self.ending = Some(ending);
    }

    fn poll_teardown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn finish(mut self: Pin<&mut Self>) -> Option<Ending> {
        self.ending.take()
    }
}

/// A body that takes an `Option` of the resource, as one that takes the resource.
struct Wrapped<'b, T>(Body<'b, Option<T>>);

impl<T> BodyPoll<T> for Wrapped<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.0.poll(cx)
    }
    fn cancel(&mut self) {
        self.0.cancel();
    }
    fn evict(&mut self) -> Option<T> {
        self.0.evict().flatten()
    }
    fn below(&self) -> Below {
        self.0.below()
    }
    fn lingers(&self) -> bool {
        self.0.lingers()
    }
}

impl<C> Sealed for Maybe<C> {}

#[diagnostic::do_not_recommend]
impl<C: AsyncContext> AsyncContext for Maybe<C> {
    type Resource = Option<C::Resource>;
    type Kind = C::Kind;
    type Seed = MaybeSeed<C::Seed>;

    fn grow(MaybeSeed(seed): Self::Seed) -> Self {
        match seed {
            Ok(seed) => Maybe::Present {
                context: C::grow(seed),
            },
            Err(absent) => Maybe::Missing { absent },
        }
    }

    fn defined(MaybeSeed(seed): &Self::Seed) -> Definition {
        match seed {
            Ok(seed) => C::defined(seed),
            Err(absent) => absent.definition,
        }
    }

    fn definition(self: Pin<&mut Self>) -> Definition {
        match self.project() {
            MaybeProjection::Present { context } => context.definition(),
            MaybeProjection::Missing { absent } => absent.definition,
        }
    }

    fn outer_span(self: Pin<&mut Self>) -> OuterSpan {
        match self.project() {
            MaybeProjection::Present { context } => context.outer_span(),
            MaybeProjection::Missing { .. } => OuterSpan::none(),
        }
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        match self.project() {
            MaybeProjection::Present { context } => context.polls_body(),
            MaybeProjection::Missing { .. } => false,
        }
    }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<Option<C::Resource>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<ErrorOf<C>>>> {
        match self.project() {
            MaybeProjection::Present { context } => {
                let mut inner = None;
                let set_up = context.poll_setup(&mut inner, cx);
                if inner.is_some() {
                    *room = Some(inner);
                }
                set_up
            }
            MaybeProjection::Missing { .. } => {
                *room = Some(None);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn interrupt(self: Pin<&mut Self>) -> bool {
        match self.project() {
            MaybeProjection::Present { context } => context.interrupt(),
            MaybeProjection::Missing { .. } => false,
        }
    }

    fn begin_body(self: Pin<&mut Self>) {
        if let MaybeProjection::Present { context } = self.project() {
            context.begin_body();
        }
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut body: Body<'_, Option<C::Resource>>,
    ) -> Poll<Result<(), ErrorOf<C>>> {
        match self.project() {
            MaybeProjection::Present { context } => {
                let mut body = Wrapped(body);
                context.poll_body(cx, Body::local(&mut body))
            }
            MaybeProjection::Missing { .. } => {
                body.poll(cx);
                Poll::Pending
            }
        }
    }

    fn resume(self: Pin<&mut Self>, room: &mut Option<Option<C::Resource>>, ending: Ending) {
        match self.project() {
            MaybeProjection::Present { context } => {
                context.resume(&mut room.take().flatten(), ending);
            }
            MaybeProjection::Missing { absent } => {
                *room = None;
                absent.ending = Some(ending);
            }
        }
    }

    fn resume_evicted(self: Pin<&mut Self>, ending: Ending) -> Option<Ending> {
        match self.project() {
            MaybeProjection::Present { context } => context.resume_evicted(ending),
            MaybeProjection::Missing { .. } => Some(ending),
        }
    }

    fn abandon(self: Pin<&mut Self>) {
        if let MaybeProjection::Present { context } = self.project() {
            context.abandon();
        }
    }

    fn poll_teardown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ErrorOf<C>>> {
        match self.project() {
            MaybeProjection::Present { context } => context.poll_teardown(cx),
            MaybeProjection::Missing { .. } => Poll::Ready(Ok(())),
        }
    }

    fn finish(self: Pin<&mut Self>) -> Option<Ending> {
        match self.project() {
            MaybeProjection::Present { context } => context.finish(),
            MaybeProjection::Missing { absent } => absent.ending.take(),
        }
    }
}

impl<C: AsyncContext + RollsBack> RollsBack for Maybe<C> {
    fn roll_back(self: Pin<&mut Self>, entered: Entered, left: Left) {
        match self.project() {
            MaybeProjection::Present { context } => context.roll_back(entered, left),
            MaybeProjection::Missing { absent } => {
                let mut absent =
                    Lodging::new(Seed::<Absent>::new(absent.take())).into_held(entered);
                absent.typed_parts().0.note_left(left);
                policy::Drop::take_over(Abandonment::new(absent), ());
            }
        }
    }
}

// `None` hands out a `None`, and does nothing else.
#[diagnostic::do_not_recommend]
impl<M> AsyncContextManagerOrTuple for Option<M>
where
    M: IntoContextManager,
    M::Policy: Policy<Maybe<M::Context>>,
{
    type Context = Maybe<M::Context>;
    type Policy = M::Policy;

    fn manager(self) -> ContextManager<Self::Context, M::Policy> {
        let seed = match self {
            Some(context) => Ok(context.into_context_manager().into_seed().into_inner()),
            None => Err(Absent::here()),
        };
        ContextManager::new(Seed::new(MaybeSeed(seed)))
    }
}
