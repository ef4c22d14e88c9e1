//! A context whose teardown is a call and nothing else.

use super::callback::EntryEnd;
use crate::{
    AsyncContext, BodyError, Definition,
    frame::{Ending, NotEntered, Sealed, Seed, is_its_own_seed},
    kind::{Fallible, Suppression},
    trace::{OuterSpan, Spans, is_watched},
};
use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

/// What [`callback`](super::ExitStack::callback) puts on a stack. There is no future in it, and so no block that would have to be polled.
pub(super) struct Called<F, E, S> {
    callback: Option<F>,
    definition: Definition,
    ending: Option<Ending>,
    spans: Spans,
    _kind: PhantomData<fn() -> (E, S)>,
}

// Nothing in it is pinned.
impl<F, E, S> Unpin for Called<F, E, S> {}

impl<F, E, S> Sealed for Called<F, E, S> {}

impl<F, T, E, S> Called<F, E, S>
where
    F: FnOnce() -> T,
    T: EntryEnd<E>,
    E: BodyError,
    S: Suppression,
{
    #[inline]
    pub(super) fn seed(definition: Definition, callback: F) -> Seed<Self> {
        Seed::new(Called {
            callback: Some(callback),
            definition,
            ending: None,
            spans: Spans::none(),
            _kind: PhantomData,
        })
    }
}

#[diagnostic::do_not_recommend]
impl<F, T, E, S> AsyncContext for Called<F, E, S>
where
    F: FnOnce() -> T,
    T: EntryEnd<E>,
    E: BodyError,
    S: Suppression,
{
    type Resource = ();
    type Kind = Fallible<E, S>;

    is_its_own_seed!();

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.definition
    }

    fn outer_span(self: Pin<&mut Self>) -> OuterSpan {
        self.spans.outer_span()
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        false
    }

    fn poll_setup(
        mut self: Pin<&mut Self>,
        room: &mut Option<()>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<E>>> {
        *room = Some(());
        if is_watched() {
            let definition = self.definition;
            let span = self.spans.setup(definition);
            {
                let _inside = span.enter();
            }
            self.spans.end();
        }
        Poll::Ready(Ok(()))
    }

    fn resume(mut self: Pin<&mut Self>, room: &mut Option<()>, ending: Ending) {
        *room = None;
        self.ending = Some(ending);
    }

    fn poll_teardown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        let Some(callback) = self.callback.take() else {
            return Poll::Ready(Ok(()));
        };
        if !is_watched() {
            return Poll::Ready(callback().end());
        }
        let definition = self.definition;
        let span = self.spans.teardown(definition);
        let ended = {
            let _inside = span.enter();
            callback().end()
        };
        self.spans.end();
        Poll::Ready(ended)
    }

    fn finish(mut self: Pin<&mut Self>) -> Option<Ending> {
        drop(self.callback.take());
        self.ending.take()
    }
}
