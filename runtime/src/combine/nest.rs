//! One context inside of another, in one frame.

use super::told::{Came, ErrorOf, JoinedError, Reporter, Told, check_early, from_outer, swallow};
use crate::{
    AsyncContext, Definition, ExitKind,
    background::{
        Below, Waiting,
        lane::{self, Lane, Number},
        settled::Settled,
        table,
    },
    frame::{Body, BodyPoll, Ending, NotEntered, Sealed, Seed},
    kind::Joined,
    trace::Around,
};
use pin_project_lite::pin_project;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// One context inside of another: what a tuple is made of.
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
        let state = State {
            definition,
            stage: Stage::Setup,
            task: Task::Setup,
            outer_resource: None,
            inner_resource: None,
            outer_left: false,
            interrupted: false,
            inner_left: false,
            body: BodyIs::Running,
            body_ending: None,
            below: None,
            since: 0,
            inner_came: None,
            outer_came: None,
            told: None,
            untold: None,
            ending: None,
        };
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

struct State<A: AsyncContext, B: AsyncContext> {
    definition: Definition,
    stage: Stage,
    task: Task,
    /// The outer context's resource, while nobody else has it.
    outer_resource: Option<A::Resource>,
    /// The inner context's, on its way from the setup, or back from an evicted body.
    inner_resource: Option<B::Resource>,
    /// The outer context has dropped its yield point.
    outer_left: bool,
    /// It has done so while the inner one was being set up.
    interrupted: bool,
    /// The inner context has dropped its yield point while the body was there.
    inner_left: bool,
    body: BodyIs,
    /// How the body ended, where the inner context isn't told.
    body_ending: Option<Ending>,
    /// Waits for what an evicted body had started.
    below: Option<Waiting>,
    /// The number of the contexts entered before the inner one.
    since: Number,
    inner_came: Option<Came<ErrorOf<B>>>,
    outer_came: Option<Came<ErrorOf<A>>>,
    /// What the outer context isn't told of the inner one's end, if there is more to it than how the body ended.
    told: Option<Told<B>>,
    /// What an outer context without a yield point can't be told.
    untold: Option<Ending>,
    /// How the body ended, as both contexts leave it.
    ending: Option<Ending>,
}

/// Where the two are.
#[derive(Clone, Copy)]
enum Stage {
    /// The outer context is being set up.
    Setup,
    /// It was dropped in its setup, and has something to tear down.
    Interrupted,
    /// The inner context runs inside the outer one's yield point.
    Inside,
    /// The inner context is over; what it has started isn't.
    Settling,
    /// The outer context is being torn down.
    Outside,
    /// The outer context has dropped its yield point: the inner one is torn down outside of it.
    Apart,
    Over,
}

/// What the inner context is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Setup,
    /// Its body has the resource.
    Open,
    /// It runs to its end.
    Teardown,
    Over,
}

/// How far the body is, as the contexts know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyIs {
    Running,
    /// Over, though the contexts haven't been told how.
    Over,
    Told,
    /// Dropped by one of the contexts, or never there.
    Gone,
}

/// The inner context, as a body of the outer one's.
struct Inside<'s, 'b, A: AsyncContext, B: AsyncContext> {
    inner: Pin<&'s mut B>,
    state: &'s mut State<A, B>,
    body: Option<Body<'b, (A::Resource, B::Resource)>>,
}

/// The body, as the inner context's.
struct Innermost<'s, 'b, A: AsyncContext, B: AsyncContext> {
    state: &'s mut State<A, B>,
    body: &'s mut Body<'b, (A::Resource, B::Resource)>,
}

impl<A, B> State<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
{
    fn reporter(&self, context: Definition, exit: ExitKind) -> Reporter {
        Reporter {
            context,
            at: self.definition,
            exit,
        }
    }

    /// Takes the resources back from a body, which is dropped unless it is over.
    fn evict(
        &mut self,
        body: &mut Body<'_, (A::Resource, B::Resource)>,
    ) -> Option<(A::Resource, B::Resource)> {
        if table::any_pending() {
            self.below = Some(body.below().into());
        }
        let resources = body.evict();
        if self.body == BodyIs::Running {
            self.body = BodyIs::Gone;
        }
        resources
    }
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
        let definition = self.state.definition;
        let reporter = self.state.reporter(definition, ExitKind::Cancelled);
        reporter.drop_quietly(resource);
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
    /// One step of the inner context, inside of the outer one's yield point or outside of it.
    fn step(&mut self, cx: &mut Context<'_>) {
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
            // Without its yield point it runs to its end.
            Task::Open if state.inner_left => catch_unwind(AssertUnwindSafe(|| {
                inner.as_mut().poll_teardown(cx).map_err(NotEntered::Failed)
            })),
            Task::Open => {
                let Some(body) = body else {
                    return;
                };
                let mut innermost = Innermost { state, body };
                // As for the outer context.
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
                    // It has ended and left its yield point behind.
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

    /// The inner context has come to its end: what is left of its frame is dropped.
    fn over(&mut self, came: Came<ErrorOf<B>>) {
        let definition = self.inner.as_mut().definition();
        let mut finish = || catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().finish()));
        let (came, ending) = match finish() {
            Ok(ending) => (came, ending),
            Err(payload) => {
                // Its block is gone, panic or not; what it left behind can be had.
                let ending = finish().ok().flatten();
                let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
                let reporter = self.state.reporter(definition, exit);
                match came {
                    Ok(Ok(())) => (Err(payload), ending),
                    came => {
                        reporter.panic(payload);
                        (came, ending)
                    }
                }
            }
        };
        if let Some(ending) = ending {
            self.state.body_ending = Some(ending);
        }
        self.state.inner_came = Some(came);
        self.state.task = Task::Over;
    }

    /// The setup of the inner context is cancelled.
    fn interrupt(&mut self) {
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
        // What it comes to is told as a cancelled body is.
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
        let definition = self.state.definition;
        let reporter = self.state.reporter(definition, ExitKind::Cancelled);
        reporter.drop_quietly(resource);
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

impl<A, B> Nest<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
    ErrorOf<B>: Send + 'static,
{
    /// Goes on until the inner context is set up (`None`), or both are over.
    fn drive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut body: Option<Body<'_, (A::Resource, B::Resource)>>,
    ) -> Poll<Option<Came<JoinedError<A, B>>>> {
        loop {
            match self.state.stage {
                Stage::Setup => {
                    let mut this = self.as_mut().project();
                    let room = &mut this.state.outer_resource;
                    match ready!(this.outer.as_mut().poll_setup(room, cx)) {
                        Ok(()) => {
                            this.state.since = lane::next_number();
                            this.state.stage = Stage::Inside;
                            this.outer.as_mut().begin_body();
                        }
                        Err(not_entered) => {
                            this.state.stage = Stage::Over;
                            let came = from_outer::<A, B>(Ok(Err(not_entered)));
                            return Poll::Ready(Some(came));
                        }
                    }
                }
                Stage::Interrupted => {
                    let came = ready!(self.as_mut().poll_outer(cx));
                    let this = self.project();
                    this.state.stage = Stage::Over;
                    return Poll::Ready(Some(from_outer::<A, B>(came)));
                }
                Stage::Inside => {
                    self.as_mut().poll_inside(cx, &mut body);
                    let state = self.as_mut().project().state;
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
                // First what the evicted body has to tear down; and the driver tells how a body has ended that is over.
                Stage::Settling | Stage::Apart
                    if self.state.body == BodyIs::Over
                        || body.as_ref().is_some_and(Body::lingers) =>
                {
                    return Poll::Pending;
                }
                Stage::Settling => {
                    ready!(self.as_mut().project().state.poll_settled(cx));
                    self.as_mut().leave_inner();
                }
                Stage::Outside => {
                    let early = self.as_mut().project().state.outer_came.take();
                    let came = match early {
                        Some(came) => came,
                        None => ready!(self.as_mut().poll_outer(cx)),
                    };
                    return Poll::Ready(Some(self.as_mut().leave_outer(came)));
                }
                Stage::Apart => {
                    ready!(self.as_mut().poll_apart(cx));
                    return Poll::Ready(Some(self.as_mut().part()));
                }
                Stage::Over => panic!("{} was polled after its end", self.state.definition),
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
        // To poll an outer context that awaits its yield point itself would only lead back here.
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
            // It has ended and left its yield point behind.
            inside.cancel();
        }
        inside.state.outer_came = Some(came);
    }

    /// The inner context is over: tells the outer one.
    fn leave_inner(self: Pin<&mut Self>) {
        let mut this = self.project();
        let state = this.state;
        let definition = this.inner.as_mut().definition();
        let ending = state.body_ending.take();
        let came = match state.inner_came.take() {
            // It has ended its body by itself.
            Some(Ok(Ok(()))) if ending.is_none() => check_early::<B::Kind>(definition).map(Ok),
            Some(came) => came,
            None => Ok(Ok(())),
        };
        let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
        let (told, ending) = Told::new_of(state.reporter(definition, exit), came, ending);
        state.told = told;
        state.stage = Stage::Outside;
        let room = &mut state.outer_resource;
        match room {
            Some(_) => this.outer.as_mut().resume(room, ending),
            None => state.untold = this.outer.as_mut().resume_evicted(ending),
        }
    }

    /// Polls the outer context to its end.
    fn poll_outer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Came<ErrorOf<A>>> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.project().outer.poll_teardown(cx)));
        Poll::Ready(match polled {
            Ok(polled) => Ok(ready!(polled).map_err(NotEntered::Failed)),
            Err(payload) => Err(payload),
        })
    }

    /// The outer context is over, and with it both.
    fn leave_outer(self: Pin<&mut Self>, came: Came<ErrorOf<A>>) -> Came<JoinedError<A, B>> {
        let mut this = self.project();
        let (outer, inner) = (
            this.outer.as_mut().definition(),
            this.inner.as_mut().definition(),
        );
        let mut finish = || catch_unwind(AssertUnwindSafe(|| this.outer.as_mut().finish()));
        let (came, ending) = match (came, finish()) {
            (came, Ok(ending)) => (came, ending),
            (Ok(Ok(())), Err(payload)) => (Err(payload), finish().ok().flatten()),
            (came, Err(payload)) => {
                let reporter = this.state.reporter(outer, ExitKind::Cancelled);
                reporter.panic(payload);
                (came, finish().ok().flatten())
            }
        };
        let state = this.state;
        state.stage = Stage::Over;
        let ending = ending.or_else(|| state.untold.take());
        let Some(told) = state.told.take() else {
            state.ending = ending;
            return from_outer::<A, B>(came);
        };
        let exit = ending.as_ref().map_or(ExitKind::Cancelled, Ending::kind);
        let reporters = (state.reporter(outer, exit), state.reporter(inner, exit));
        let (came, ending) = told.settle::<A>(reporters, came, ending);
        state.ending = ending;
        came
    }

    /// The outer context has dropped its yield point: first the inner one comes to its end, then it.
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
        if self.state.outer_came.is_none() {
            let came = ready!(self.as_mut().poll_outer(cx));
            self.project().state.outer_came = Some(came);
        }
        Poll::Ready(())
    }

    /// Both are over, the inner one outside of the outer one: its failure is reported, as that of a rollback.
    fn part(self: Pin<&mut Self>) -> Came<JoinedError<A, B>> {
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
            // The body was over in the poll in which its outermost context left: a failure of its is told, a value isn't there any more.
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

impl<A: AsyncContext, B: AsyncContext> State<A, B> {
    /// Both are gone, perhaps before their end. Reports what one of them has come to meanwhile, and returns how the body ended.
    #[cold]
    fn left(&mut self, (outer, inner): (Definition, Definition)) -> Option<Ending> {
        let exit = self.body_ending.as_ref().or(self.untold.as_ref());
        let exit = exit.map_or(ExitKind::Cancelled, Ending::kind);
        let (outer, inner) = (self.reporter(outer, exit), self.reporter(inner, exit));
        if let Some(came) = self.inner_came.take() {
            inner.failure(came);
        }
        if let Some(came) = self.outer_came.take() {
            outer.failure(came);
        }
        let ending = self.untold.take();
        match self.told.take() {
            Some(told) => told.left(inner, ending),
            None => self.body_ending.take().or(ending),
        }
    }

    /// Waits for the rollbacks started inside of the outer context.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(below) = &mut self.below {
            ready!(below.poll(cx));
            self.below = None;
        }
        if table::any_pending() {
            let here = Settled::new(Lane::current(), self.since + 1..Number::MAX);
            let below = self.below.insert(Below::of(here).into());
            ready!(below.poll(cx));
            self.below = None;
        }
        Poll::Ready(())
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
        self.project().state.definition
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.outer.polls_body() || this.inner.polls_body()
    }

    fn around(self: Pin<&mut Self>) -> Around {
        let this = self.project();
        this.outer.around().or(this.inner.around())
    }

    fn poll_setup(
        mut self: Pin<&mut Self>,
        room: &mut Option<Self::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<JoinedError<A, B>>>> {
        let came = ready!(self.as_mut().drive(cx, None));
        let state = self.project().state;
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

    fn interrupt(self: Pin<&mut Self>) -> bool {
        let this = self.project();
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
            (Stage::Over, _) => false,
            _ => true,
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

    fn poll_teardown(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), JoinedError<A, B>>> {
        self.poll_to_end(cx, None)
    }

    fn finish(self: Pin<&mut Self>) -> Option<Ending> {
        let mut this = self.project();
        this.state.stage = Stage::Over;
        drop(this.state.inner_resource.take());
        if let Some(ending) = this.inner.as_mut().finish() {
            this.state.body_ending = Some(ending);
        }
        drop(this.state.outer_resource.take());
        if let Some(ending) = this.outer.as_mut().finish() {
            this.state.untold = Some(ending);
        }
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Option<Body<'_, (A::Resource, B::Resource)>>,
    ) -> Poll<Result<(), JoinedError<A, B>>> {
        Poll::Ready(match ready!(self.drive(cx, body)) {
            Some(Ok(Err(NotEntered::Failed(error)))) => Err(error),
            Some(Err(payload)) => resume_unwind(payload),
            None | Some(Ok(_)) => Ok(()),
        })
    }
}
