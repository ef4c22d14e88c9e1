//! A struct as a context.

use crate::{
    AsyncContext, AsyncContextManager, Definition,
    frame::{Body, NotEntered, Sealed, hands_on, is_its_own_seed},
    kind::{Kind, Suppression},
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

type KindOf<M> = <M as AsyncContextManager>::Kind;
type ErrorOf<M> = <KindOf<M> as Kind>::Error;

/// What a struct of the type `M` is as a context.
///
/// `Known<M>` is `M`. Of a type that isn't a context it is nothing that the compiler knows, so that it has no more to say than that.
pub(crate) type ContainedIn<M> =
    Contained<<<KindOf<M> as Kind>::Suppression as Suppression>::Known<M>>;

/// The `enter` and `exit` of a struct, `M`, as one context, in a box.
///
/// Inside an `async` block the compiler forgets every `'static` that a type mentions, and a guard held there couldn't be spawned. So this isn't a bare
/// `Pin<Box<dyn …>>`, and its parameters aren't the resource and the kind, which mention a `'static` more often than the struct does.
pub struct Contained<M: AsyncContextManager> {
    definition: Definition,
    context: Pin<Box<Inner<M>>>,
}

type Inner<M> =
    dyn AsyncContext<Resource = <M as AsyncContextManager>::Resource, Kind = KindOf<M>> + Send;

impl<M: AsyncContextManager> Contained<M> {
    pub(crate) fn new(
        context: impl AsyncContext<Resource = M::Resource, Kind = M::Kind> + Send + 'static,
    ) -> Self {
        let mut context = Box::pin(context);
        Contained {
            definition: context.as_mut().definition(),
            context,
        }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut Inner<M>> {
        self.get_mut().context.as_mut()
    }
}

impl<M: AsyncContextManager> Sealed for Contained<M> {}

#[diagnostic::do_not_recommend]
impl<M: AsyncContextManager> AsyncContext for Contained<M> {
    type Resource = M::Resource;
    type Kind = M::Kind;

    is_its_own_seed!();
    hands_on! { polls_body outer_span interrupt begin_body resume resume_evicted abandon finish }

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.definition
    }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<M::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<ErrorOf<M>>>> {
        self.inner().poll_setup(room, cx)
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, M::Resource>,
    ) -> Poll<Result<(), ErrorOf<M>>> {
        self.inner().poll_body(cx, body)
    }

    fn poll_teardown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ErrorOf<M>>> {
        self.inner().poll_teardown(cx)
    }
}
