//! What runs at the two yield points of a nest: the inner context at the outer one's, and the body at the inner one's.

use super::{
    super::told::{ContextResult, finished_anyway},
    state::{BodyIs, State, Task},
};
use crate::{
    AsyncContext, ExitKind,
    background::Below,
    frame::{Body, BodyPoll, Ending, ErrorOf, NotEntered},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// The inner context, as the body of the outer one.
pub(super) struct Inside<'s, 'b, A: AsyncContext, B: AsyncContext> {
    pub(super) inner: Pin<&'s mut B>,
    pub(super) state: &'s mut State<A, B>,
    pub(super) body: Option<Body<'b, (A::Resource, B::Resource)>>,
}

/// The body of both, as the body of the inner one.
struct Innermost<'s, 'b, A: AsyncContext, B: AsyncContext> {
    state: &'s mut State<A, B>,
    body: &'s mut Body<'b, (A::Resource, B::Resource)>,
}

impl<A, B> BodyPoll<B::Resource> for Innermost<'_, '_, A, B>
where
    A: AsyncContext,
    B: AsyncContext,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let over = self.body.poll(cx);
        if over && self.state.body == BodyIs::Running {
            self.state.body = BodyIs::Over;
        }
        over
    }

    #[cold]
    fn cancel(&mut self) {
        let resource = self.evict();
        self.state.drop_quietly(resource);
    }

    #[cold]
    fn evict(&mut self) -> Option<B::Resource> {
        self.state.inner_left = true;
        let (outer, inner) = self.state.evict(self.body)?;
        self.state.outer_resource = Some(outer);
        Some(inner)
    }

    fn below(&self) -> Below {
        self.body.below()
    }

    fn lingers(&self) -> bool {
        self.body.lingers()
    }
}

impl<A, B> Inside<'_, '_, A, B>
where
    A: AsyncContext,
    B: AsyncContext,
{
    /// One step of the inner context, inside the outer one's yield point or outside of it.
    pub(super) fn step(&mut self, cx: &mut Context<'_>) {
        let Inside { inner, state, body } = self;
        let mut inner = inner.as_mut();
        let polled = match state.task {
            Task::Setup => {
                let room = &mut state.inner_resource;
                let polled = catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll_setup(room, cx)));
                if let Ok(Poll::Ready(Ok(()))) = polled {
                    state.task = Task::Open;
                    return;
                }
                polled
            }
            // It has dropped its yield point, and runs to its end.
            Task::Open if state.inner_left => catch_unwind(AssertUnwindSafe(|| {
                inner.as_mut().poll_teardown(cx).map_err(NotEntered::Failed)
            })),
            Task::Open => {
                let Some(body) = body else {
                    return;
                };
                let mut innermost = Innermost { state, body };
                // The poll of a context that awaits its yield point itself would only lead to the body.
                if !inner.as_mut().polls_body() {
                    innermost.poll(cx);
                    return;
                }
                let polled = catch_unwind(AssertUnwindSafe(|| {
                    inner
                        .as_mut()
                        .poll_body(cx, Body::local(&mut innermost))
                        .map_err(NotEntered::Failed)
                }));
                if !matches!(polled, Ok(Poll::Pending)) && !innermost.state.inner_left {
                    // It has ended with its yield point still there.
                    innermost.cancel();
                }
                polled
            }
            Task::Teardown => catch_unwind(AssertUnwindSafe(|| {
                inner.as_mut().poll_teardown(cx).map_err(NotEntered::Failed)
            })),
            Task::Over => return,
        };
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(came)) => self.over(Ok(came)),
            Err(payload) => self.over(Err(payload)),
        }
    }

    /// The inner context is over, and has come to `came`. Drops what is left of its frame.
    fn over(&mut self, came: ContextResult<ErrorOf<B>>) {
        let definition = self.inner.as_mut().definition();
        let reporter = self.state.reporter(definition, ExitKind::Cancelled);
        let mut inner = self.inner.as_mut();
        let finished = catch_unwind(AssertUnwindSafe(|| inner.as_mut().finish()));
        let (came, ending) = match finished {
            Ok(ending) => (came, ending),
            Err(payload) => finished_anyway(inner, reporter, came, payload),
        };
        if let Some(ending) = ending {
            self.state.body_ending = Some(ending);
        }
        self.state.inner_came = Some(came);
        self.state.task = Task::Over;
    }

    /// The inner context's setup is cancelled.
    pub(super) fn interrupt(&mut self) {
        self.state.body = BodyIs::Gone;
        let definition = self.inner.as_mut().definition();
        let reporter = self.state.reporter(definition, ExitKind::Cancelled);
        match catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().interrupt())) {
            Ok(true) => self.state.task = Task::Teardown,
            Ok(false) => self.over(Ok(Ok(()))),
            Err(payload) => {
                reporter.panic(payload);
                self.over(Ok(Ok(())));
            }
        }
        // To the outer context, the inner one counts as a body that was cancelled.
        self.state.body_ending.get_or_insert_with(Ending::cancelled);
    }
}

impl<A, B> BodyPoll<A::Resource> for Inside<'_, '_, A, B>
where
    A: AsyncContext,
    B: AsyncContext,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.step(cx);
        self.state.task == Task::Over
    }

    #[cold]
    fn cancel(&mut self) {
        let resource = self.evict();
        self.state.drop_quietly(resource);
    }

    #[cold]
    fn evict(&mut self) -> Option<A::Resource> {
        if self.state.outer_left {
            return None;
        }
        self.state.outer_left = true;
        match (self.state.task, &mut self.body) {
            (Task::Setup, _) => {
                self.state.interrupted = true;
                self.interrupt();
            }
            (Task::Open, Some(body)) if !self.state.inner_left => {
                let (outer, inner) = self.state.evict(body)?;
                self.state.inner_resource = Some(inner);
                return Some(outer);
            }
            _ => {}
        }
        self.state.outer_resource.take()
    }

    fn below(&self) -> Below {
        match &self.body {
            Some(body) => body.below(),
            None => Below::none(),
        }
    }

    fn lingers(&self) -> bool {
        self.state.outer_left && self.state.task != Task::Over
            || self.body.as_ref().is_some_and(Body::lingers)
    }
}
