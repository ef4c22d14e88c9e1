//! One context inside another, in one frame.

mod inside;
mod state;

use self::{
    inside::Inside,
    state::{BodyIs, Stage, State, Task},
};
use super::told::{
    ContextResult, JoinedError, Reporters, Told, check_early, finished_anyway, from_outer, swallow,
};
use crate::{
    AsyncContext, Definition, ExitKind,
    cold::{catch, until_quiet},
    frame::{Body, BodyPoll, Ending, ErrorOf, NotEntered, Sealed, Seed},
    kind::Joined,
    trace::OuterSpan,
};
use pin_project_lite::pin_project;
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

pin_project! {
    /// One context inside another: what a tuple is made of.
    ///
    /// From its setup to its teardown the inner context runs inside the yield point of the outer one, as its body. Where the outer one drops its
    /// yield point, what has been entered of the inner one is torn down without it, before the outer one goes on.
    pub struct Nest<A, B>
    where
        A: AsyncContext,
        B: AsyncContext,
    {
        // Dropped in this order: the inner one first.
        #[pin]
        inner: B,
        #[pin]
        outer: A,
        state: State<A, B>,
    }
}

impl<A, B> Nest<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
{
    pub(super) fn seed(definition: Definition, outer: Seed<A>, inner: Seed<B>) -> Seed<Self>
    where
        ErrorOf<B>: Send + 'static,
    {
        Seed::new(Before {
            definition,
            inner: inner.into_inner(),
            outer: outer.into_inner(),
        })
    }

    fn new(definition: Definition, outer: A, inner: B) -> Self {
        let state = State::new(definition);
        Nest {
            inner,
            outer,
            state,
        }
    }
}

/// What a [`Nest`] is made from.
pub struct Before<A: AsyncContext, B: AsyncContext> {
    definition: Definition,
    inner: B::Seed,
    outer: A::Seed,
}

impl<A, B> Nest<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    /// What isn't pinned.
    //
    // Through a projection, and not by a field access on the `Pin`, which would make a shared reference to the whole: both contexts may borrow from themselves.
    #[inline]
    fn state(self: Pin<&mut Self>) -> &mut State<A, B> {
        self.project().state
    }

    /// Goes on until the inner context is set up (`None`), or both are over.
    fn drive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut body: Option<Body<'_, (A::Resource, B::Resource)>>,
    ) -> Poll<Option<ContextResult<JoinedError<A, B>>>> {
        loop {
            let stage = self.as_mut().state().stage;
            match stage {
                Stage::Setup => {
                    if let Err(not_entered) = ready!(self.as_mut().poll_outer_setup(cx)) {
                        return Poll::Ready(Some(self.refuse(not_entered)));
                    }
                }
                Stage::Interrupted => return self.poll_interrupted(cx).map(Some),
                Stage::Inside => {
                    self.as_mut().poll_inside(cx, &mut body);
                    // Here, and not in a function of the state, by which a tuple takes 1 % more instructions.
                    let state = self.as_mut().state();
                    match state.task {
                        Task::Over if state.outer_left && !state.interrupted => {
                            state.stage = Stage::Settling;
                        }
                        _ if state.outer_left => state.stage = Stage::Apart,
                        Task::Open if state.inner_resource.is_some() => return Poll::Ready(None),
                        // The driver tells how the body has ended.
                        _ if state.body == BodyIs::Over => return Poll::Pending,
                        Task::Over => state.stage = Stage::Settling,
                        Task::Setup | Task::Open | Task::Teardown => return Poll::Pending,
                    }
                }
                // An evicted body comes first, with what it has to tear down. And of a body that is over, the driver tells how it ended.
                Stage::Settling | Stage::Apart
                    if self.as_mut().state().body == BodyIs::Over
                        || body.as_ref().is_some_and(Body::lingers) =>
                {
                    return Poll::Pending;
                }
                Stage::Settling => {
                    ready!(self.as_mut().state().poll_settled(cx));
                    self.as_mut().leave_inner();
                }
                Stage::Outside => return self.poll_outside(cx).map(Some),
                Stage::Apart => {
                    ready!(self.as_mut().poll_apart(cx));
                    return Poll::Ready(Some(self.as_mut().part()));
                }
                Stage::Over | Stage::Gone => {
                    panic!("{} was polled after its end", self.state().definition)
                }
            }
        }
    }

    /// Polls the outer context's setup, and opens its yield point for the inner one. If the setup panics, the inner context, which hasn't begun, is dropped quietly.
    #[inline]
    fn poll_outer_setup(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<ErrorOf<A>>>> {
        let mut both = DropBoth(self);
        let mut this = both.0.as_mut().project();
        this.state.begin();
        let room = &mut this.state.outer_resource;
        let polled = this.outer.as_mut().poll_setup(room, cx);
        if let Poll::Ready(Ok(())) = polled {
            this.state.stage = Stage::Inside;
            this.outer.begin_body();
        }
        mem::forget(both);
        polled
    }

    /// The outer context has come to no resource: the inner one, which hasn't begun, is dropped. Its panic goes on instead of an error, which is reported.
    #[cold]
    fn refuse(
        mut self: Pin<&mut Self>,
        not_entered: NotEntered<ErrorOf<A>>,
    ) -> ContextResult<JoinedError<A, B>> {
        let dropped = catch(&mut || self.as_mut().drop_both());
        let this = self.project();
        this.state.stage = Stage::Over;
        let came = Ok(Err(not_entered));
        match dropped {
            Ok(()) => from_outer::<A, B>(came),
            Err(payload) => {
                let outer = this.outer.definition();
                let reporter = this.state.reporter(outer, ExitKind::Cancelled);
                reporter.failure::<ErrorOf<A>>(came);
                Err(payload)
            }
        }
    }

    /// Polls the inner context inside the outer one's yield point.
    fn poll_inside(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: &mut Option<Body<'_, (A::Resource, B::Resource)>>,
    ) {
        let mut this = self.project();
        let mut inside = Inside {
            inner: this.inner,
            state: this.state,
            body: body.as_mut().map(Body::reborrow),
        };
        // The poll of an outer context that awaits its yield point itself would only lead back to here.
        if !this.outer.as_mut().polls_body() {
            inside.step(cx);
            return;
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            this.outer.poll_body(cx, Body::local(&mut inside))
        }));
        let came = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(came)) => Ok(came.map_err(NotEntered::Failed)),
            Err(payload) => Err(payload),
        };
        if !inside.state.outer_left {
            // It has ended with its yield point still there.
            inside.cancel();
        }
        inside.state.outer_came = Some(came);
    }

    /// Polls the outer context to its end, which was dropped in its setup and has something to tear down. The inner one hasn't begun.
    fn poll_interrupted(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<ContextResult<JoinedError<A, B>>> {
        let came = ready!(self.as_mut().poll_outer(cx));
        self.state().stage = Stage::Over;
        Poll::Ready(from_outer::<A, B>(came))
    }

    /// The inner context is over: tells the outer one.
    fn leave_inner(self: Pin<&mut Self>) {
        let mut this = self.project();
        let state = this.state;
        let definition = this.inner.as_mut().definition();
        let ending = state.body_ending.take();
        let came = match state.inner_came.take() {
            // Without an ending, the context has ended its body by itself.
            Some(Ok(Ok(()))) if ending.is_none() => check_early::<B::Kind>(definition).map(Ok),
            Some(came) => came,
            None => Ok(Ok(())),
        };
        let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
        let reporter = state.reporter(definition, exit);
        let (told, ending) = match state.abandoned {
            true => Told::new_of_abandoned(reporter, came, ending),
            false => Told::new_of(reporter, came, ending),
        };
        state.told = told;
        state.stage = Stage::Outside;
        let room = &mut state.outer_resource;
        match room {
            Some(_) => this.outer.as_mut().resume(room, ending),
            None => state.untold = this.outer.as_mut().resume_evicted(ending),
        }
    }

    /// Polls the outer context to its end.
    fn poll_outer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ContextResult<ErrorOf<A>>> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.project().outer.poll_teardown(cx)));
        Poll::Ready(match polled {
            Ok(polled) => Ok(ready!(polled).map_err(NotEntered::Failed)),
            Err(payload) => Err(payload),
        })
    }

    /// Polls the outer context to its end, if it hasn't come to that while the inner one was inside.
    fn poll_outside(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<ContextResult<JoinedError<A, B>>> {
        let early = self.as_mut().state().outer_came.take();
        let came = match early {
            Some(came) => came,
            None => ready!(self.as_mut().poll_outer(cx)),
        };
        Poll::Ready(self.leave_outer(came))
    }

    /// The outer context is over, and with it both.
    fn leave_outer(
        self: Pin<&mut Self>,
        came: ContextResult<ErrorOf<A>>,
    ) -> ContextResult<JoinedError<A, B>> {
        let mut this = self.project();
        let (outer, inner) = (
            this.outer.as_mut().definition(),
            this.inner.as_mut().definition(),
        );
        let finished = catch_unwind(AssertUnwindSafe(|| this.outer.as_mut().finish()));
        let (came, ending) = match finished {
            Ok(ending) => (came, ending),
            Err(payload) => {
                let reporter = this.state.reporter(outer, ExitKind::Cancelled);
                finished_anyway(this.outer, reporter, came, payload)
            }
        };
        let state = this.state;
        state.stage = Stage::Gone;
        let ending = ending.or_else(|| state.untold.take());
        let Some(told) = state.told.take() else {
            state.ending = ending;
            return from_outer::<A, B>(came);
        };
        let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
        let reporters = Reporters {
            outer: state.reporter(outer, exit),
            inner: state.reporter(inner, exit),
        };
        let (came, ending) = told.settle::<A>(reporters, came, ending);
        state.ending = ending;
        came
    }

    /// The outer context has dropped its yield point. Polls first the inner one to its end, and then the outer one.
    fn poll_apart(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut this = self.as_mut().project();
            let state = &mut *this.state;
            match state.task {
                Task::Open => {
                    ready!(state.poll_settled(cx));
                    state.task = Task::Teardown;
                    let room = &mut state.inner_resource;
                    if room.is_some() {
                        this.inner.as_mut().resume(room, Ending::cancelled());
                    }
                }
                Task::Setup | Task::Teardown => {
                    let mut inside = Inside {
                        inner: this.inner,
                        state,
                        body: None,
                    };
                    inside.step(cx);
                    if state.task != Task::Over {
                        return Poll::Pending;
                    }
                }
                Task::Over => {
                    ready!(state.poll_settled(cx));
                    break;
                }
            }
        }
        if self.as_mut().state().outer_came.is_none() {
            let came = ready!(self.as_mut().poll_outer(cx));
            self.state().outer_came = Some(came);
        }
        Poll::Ready(())
    }

    /// Both are over, and the inner one was torn down outside of the outer one: its failure is reported, as that of a rollback is.
    fn part(self: Pin<&mut Self>) -> ContextResult<JoinedError<A, B>> {
        let mut this = self.project();
        let state = this.state;
        state.stage = Stage::Over;
        let ending = state.body_ending.take();
        let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
        if let Some(came) = state.inner_came.take() {
            let reporter = state.reporter(this.inner.as_mut().definition(), exit);
            reporter.failure(came);
        }
        let mut came = state.outer_came.take().unwrap_or(Ok(Ok(())));
        let ended_early = matches!(came, Ok(Ok(())));
        if ended_early {
            came = check_early::<A::Kind>(this.outer.as_mut().definition()).map(Ok);
        }
        if state.body == BodyIs::Told {
            // The body was over in the very poll in which the outermost context left its yield point. If it has failed, that is told. A value is gone.
            state.ending = match ending {
                Some(ending) if ended_early && !ending.stands() => Some(swallow(ending)),
                ending => ending,
            };
        } else if matches!(came, Ok(Ok(()))) {
            return Ok(Err(NotEntered::Skipped(None)));
        }
        from_outer::<A, B>(came)
    }
}

/// Dropping both contexts, where destructors may panic.
impl<A, B> Nest<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    /// Drops what is left of both. The first panic goes on when that is done, and further ones are reported. If the thread is panicking already, all of them are.
    #[cold]
    fn drop_both(self: Pin<&mut Self>) {
        if thread::panicking() {
            return self.drop_quietly();
        }
        let mut both = DropBoth(self);
        both.0.as_mut().drop_inner();
        both.0.as_mut().drop_outer();
        mem::forget(both);
    }

    fn drop_inner(self: Pin<&mut Self>) {
        let this = self.project();
        drop(this.state.inner_resource.take());
        if let Some(ending) = this.inner.finish() {
            this.state.body_ending = Some(ending);
        }
    }

    fn drop_outer(self: Pin<&mut Self>) {
        let this = self.project();
        drop(this.state.outer_resource.take());
        if let Some(ending) = this.outer.finish() {
            this.state.untold = Some(ending);
        }
    }

    /// Drops what is left of both, and reports each panic.
    fn drop_quietly(mut self: Pin<&mut Self>) {
        let this = self.as_mut().project();
        let (outer, inner) = (this.outer.definition(), this.inner.definition());
        let reporter = |of| this.state.reporter(of, ExitKind::Cancelled);
        let (outer, inner) = (reporter(outer), reporter(inner));
        until_quiet(&mut || self.as_mut().drop_inner(), &mut |payload| {
            inner.panic(payload)
        });
        until_quiet(&mut || self.as_mut().drop_outer(), &mut |payload| {
            outer.panic(payload)
        });
        self.state().stage = Stage::Gone;
    }
}

/// Drops what is left of two contexts, if a part of one of them panics. Forgotten if none does.
struct DropBoth<'n, A, B>(Pin<&'n mut Nest<A, B>>)
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static;

impl<A, B> Drop for DropBoth<'_, A, B>
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    fn drop(&mut self) {
        self.0.as_mut().drop_quietly();
    }
}

impl<A: AsyncContext, B: AsyncContext> Sealed for Nest<A, B> {}

#[diagnostic::do_not_recommend]
impl<A, B> AsyncContext for Nest<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    type Resource = (A::Resource, B::Resource);
    type Kind = Joined<A::Kind, B::Kind>;
    type Seed = Before<A, B>;

    fn grow(seed: Before<A, B>) -> Self {
        Nest::new(seed.definition, A::grow(seed.outer), B::grow(seed.inner))
    }

    fn defined(seed: &Before<A, B>) -> Definition {
        seed.definition
    }

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.state().definition
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.outer.polls_body() || this.inner.polls_body()
    }

    fn outer_span(self: Pin<&mut Self>) -> OuterSpan {
        let this = self.project();
        this.outer.outer_span().or(this.inner.outer_span())
    }

    fn poll_setup(
        mut self: Pin<&mut Self>,
        room: &mut Option<Self::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<JoinedError<A, B>>>> {
        let came = ready!(self.as_mut().drive(cx, None));
        let state = self.state();
        let resources = (state.outer_resource.take(), state.inner_resource.take());
        Poll::Ready(match (came, resources) {
            (None, (Some(outer), Some(inner))) => {
                *room = Some((outer, inner));
                Ok(())
            }
            (Some(Ok(Err(not_entered))), _) => Err(not_entered),
            (Some(Err(payload)), _) => resume_unwind(payload),
            (None | Some(Ok(Ok(()))), _) => Err(NotEntered::Skipped(None)),
        })
    }

    fn interrupt(mut self: Pin<&mut Self>) -> bool {
        let this = self.as_mut().project();
        match (this.state.stage, this.state.task) {
            (Stage::Setup, _) => {
                let entered = this.outer.interrupt();
                if entered {
                    this.state.stage = Stage::Interrupted;
                }
                entered
            }
            (Stage::Inside, Task::Setup) => {
                let mut inside = Inside {
                    inner: this.inner,
                    state: this.state,
                    body: None,
                };
                inside.interrupt();
                true
            }
            (Stage::Over | Stage::Gone, _) => false,
            _ => {
                self.abandon();
                true
            }
        }
    }

    fn begin_body(self: Pin<&mut Self>) {
        let this = self.project();
        this.inner.begin_body();
        this.outer.begin_body();
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, Self::Resource>,
    ) -> Poll<Result<(), JoinedError<A, B>>> {
        self.poll_to_end(cx, Some(body))
    }

    fn resume(self: Pin<&mut Self>, room: &mut Option<Self::Resource>, ending: Ending) {
        let mut this = self.project();
        let state = this.state;
        state.body = BodyIs::Told;
        let Some((outer, inner)) = room.take() else {
            return;
        };
        match (state.stage, state.task) {
            (Stage::Inside, Task::Open) => {
                state.outer_resource = Some(outer);
                state.task = Task::Teardown;
                this.inner.as_mut().resume(&mut Some(inner), ending);
                this.outer.as_mut().begin_body();
            }
            _ => drop((inner, outer, ending)),
        }
    }

    fn resume_evicted(self: Pin<&mut Self>, ending: Ending) -> Option<Ending> {
        let mut this = self.project();
        let state = this.state;
        if state.body != BodyIs::Over {
            return Some(ending);
        }
        state.body = BodyIs::Told;
        let room = &mut state.inner_resource;
        match room {
            Some(_) => this.inner.as_mut().resume(room, ending),
            None => state.body_ending = this.inner.as_mut().resume_evicted(ending),
        }
        if state.task == Task::Open {
            state.task = Task::Teardown;
        }
        if !state.outer_left {
            this.outer.as_mut().begin_body();
        }
        None
    }

    fn abandon(self: Pin<&mut Self>) {
        let this = self.project();
        this.state.abandoned = this.state.task != Task::Over;
        this.inner.abandon();
        this.outer.abandon();
    }

    fn poll_teardown(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), JoinedError<A, B>>> {
        self.poll_to_end(cx, None)
    }

    fn finish(mut self: Pin<&mut Self>) -> Option<Ending> {
        if !matches!(self.as_mut().state().stage, Stage::Gone) {
            self.as_mut().drop_both();
        }
        let mut this = self.project();
        match this.state.ending.take() {
            Some(ending) => Some(ending),
            None => {
                let contexts = (
                    this.outer.as_mut().definition(),
                    this.inner.as_mut().definition(),
                );
                this.state.left(contexts)
            }
        }
    }
}

impl<A, B> Nest<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    fn poll_to_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Option<Body<'_, (A::Resource, B::Resource)>>,
    ) -> Poll<Result<(), JoinedError<A, B>>> {
        let Poll::Ready(came) = self.as_mut().drive(cx, body) else {
            self.state().note_left();
            return Poll::Pending;
        };
        Poll::Ready(match came {
            Some(Ok(Err(NotEntered::Failed(error)))) => Err(error),
            Some(Err(payload)) => resume_unwind(payload),
            None | Some(Ok(_)) => Ok(()),
        })
    }
}
