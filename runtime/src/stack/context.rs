//! A stack as a context of its own: what `ExitStack::scope` runs its body in.

use super::{ExitStack, unwind::Unwinding};
use crate::{
    AsyncContext, BodyError, Definition,
    frame::{Ending, NotEntered, Sealed, Seed, is_its_own_seed},
    kind::{Fallible, Suppression},
};
use std::{
    marker::PhantomData,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

pub(super) struct StackContext<'e, E, S> {
    definition: Definition,
    unwinding: Option<Unwinding<'e, E>>,
    ending: Option<Ending>,
    _stack: PhantomData<fn() -> ExitStack<'e, E, S>>,
}

impl<E: BodyError, S: Suppression> StackContext<'_, E, S> {
    #[track_caller]
    pub(super) fn seed() -> Seed<Self> {
        Seed::new(StackContext {
            definition: Definition::here(|| "ExitStack"),
            unwinding: None,
            ending: None,
            _stack: PhantomData,
        })
    }
}

impl<E, S> Sealed for StackContext<'_, E, S> {}

#[diagnostic::do_not_recommend]
impl<'e, E: BodyError, S: Suppression> AsyncContext for StackContext<'e, E, S> {
    type Resource = ExitStack<'e, E, S>;
    type Kind = Fallible<E, S>;

    is_its_own_seed!();

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.definition
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        false
    }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<ExitStack<'e, E, S>>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<E>>> {
        *room = Some(ExitStack::inside(self.definition.location()));
        Poll::Ready(Ok(()))
    }

    fn resume(mut self: Pin<&mut Self>, room: &mut Option<ExitStack<'e, E, S>>, ending: Ending) {
        if let Some(mut stack) = room.take() {
            self.unwinding = Some(Unwinding::new(stack.entries.take(), ending));
        }
    }

    fn poll_teardown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let Some(unwinding) = &mut self.unwinding else {
            return Poll::Ready(Ok(()));
        };
        ready!(unwinding.poll(cx));
        let (context, ending) = unwinding.finish();
        self.unwinding = None;
        self.ending = ending;
        Poll::Ready(context.unwrap_or_else(|payload| resume_unwind(payload)))
    }

    fn finish(mut self: Pin<&mut Self>) -> Option<Ending> {
        if let Some(unwinding) = &mut self.unwinding {
            self.ending = unwinding.take_pending();
            self.unwinding = None;
        }
        self.ending.take()
    }
}
