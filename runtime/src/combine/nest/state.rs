//! How far two nested contexts are, and what is kept of them meanwhile.

use super::super::told::{ContextResult, Reporter, Told};
use crate::{
    AsyncContext, Definition, ExitKind,
    background::{
        Below, InRollback, Waiting,
        lane::{self, Lane, Number},
        lane_range::LaneRange,
        table,
    },
    cold::Seldom,
    frame::{Body, Ending, ErrorOf},
};
use std::{
    iter,
    task::{Context, Poll, ready},
};

pub(super) struct State<A: AsyncContext, B: AsyncContext> {
    pub(super) definition: Definition,
    pub(super) stage: Stage,
    pub(super) task: Task,
    /// The outer context's resource, while neither the context nor the body has it.
    pub(super) outer_resource: Option<A::Resource>,
    /// The inner context's resource, on its way from the setup, or back from an evicted body.
    pub(super) inner_resource: Option<B::Resource>,
    /// Whether the outer context has dropped its yield point.
    pub(super) outer_left: bool,
    /// Whether it has done so while the inner one was being set up.
    pub(super) interrupted: bool,
    /// Whether the caller was gone after the inner context was told how the body ended, and before that context was over.
    pub(super) abandoned: bool,
    /// Whether the inner context has dropped its yield point while the body was there.
    pub(super) inner_left: bool,
    pub(super) body: BodyIs,
    /// How the body ended, unless the inner context has been told and still has that.
    pub(super) body_ending: Option<Ending>,
    /// Waits for what an evicted body had started.
    pub(super) below: Option<Waiting>,
    /// What was pending inside the outer context in the lanes where the two were polled. They may go on in another lane: in guard style, that is the caller's
    /// until the caller is gone.
    left: Seldom<Vec<LaneRange>>,
    /// None before the outer context's setup begins.
    since: Option<Since>,
    pub(super) inner_came: Option<ContextResult<ErrorOf<B>>>,
    pub(super) outer_came: Option<ContextResult<ErrorOf<A>>>,
    /// What the outer context was told, and what not, if there is more to it than how the body ended.
    pub(super) told: Option<Told<B>>,
    /// What the outer context, having left its yield point, couldn't be told.
    pub(super) untold: Option<Ending>,
    /// How the body ended, as both contexts leave it.
    pub(super) ending: Option<Ending>,
}

/// When the outer context's setup began, and where.
struct Since {
    /// What is inside the outer context has a higher number.
    number: Number,
    /// The root there.
    root: Lane,
}

/// Where the two are.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// The outer context is being set up.
    Setup,
    /// The outer context was dropped in its setup, and has something to tear down.
    Interrupted,
    /// The inner context runs inside the outer one's yield point.
    Inside,
    /// The inner context is over. Rollbacks that it has started may be pending.
    Settling,
    /// The outer context is being torn down.
    Outside,
    /// The outer context has dropped its yield point. The inner one is torn down outside of it.
    Apart,
    /// Both are over.
    Over,
    /// Both are over, and nothing is left of their frames.
    Gone,
}

/// What the inner context is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Setup,
    /// Its body has the resource.
    Open,
    /// It runs to its end: it was told how its body ended, or has dropped its yield point.
    Teardown,
    Over,
}

/// How far the body is, and whether the contexts know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyIs {
    Running,
    /// Over, though the contexts haven't been told how.
    Over,
    Told,
    /// Dropped by one of the contexts, or never there.
    Gone,
}

impl<A, B> State<A, B>
where
    A: AsyncContext,
    B: AsyncContext,
{
    /// Nothing has begun.
    pub(super) fn new(definition: Definition) -> Self {
        State {
            definition,
            stage: Stage::Setup,
            task: Task::Setup,
            outer_resource: None,
            inner_resource: None,
            outer_left: false,
            interrupted: false,
            abandoned: false,
            inner_left: false,
            body: BodyIs::Running,
            body_ending: None,
            below: None,
            left: Seldom::none(),
            since: None,
            inner_came: None,
            outer_came: None,
            told: None,
            untold: None,
            ending: None,
        }
    }

    pub(super) fn reporter(&self, context: Definition, exit: ExitKind) -> Reporter {
        Reporter {
            context,
            at: self.definition,
            exit,
        }
    }

    /// Drops a resource of a body that was dropped, which nobody takes back. A panic of that is reported.
    pub(super) fn drop_quietly<R>(&self, resource: R) {
        let reporter = self.reporter(self.definition, ExitKind::Cancelled);
        reporter.drop_quietly(resource);
    }

    /// Takes the resources back from a body, and drops it.
    pub(super) fn evict(
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

    /// Both contexts are dropped, perhaps before their end. Reports what one of them has come to meanwhile, and returns how the body ended.
    #[cold]
    pub(super) fn left(&mut self, (outer, inner): (Definition, Definition)) -> Option<Ending> {
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

    /// The outer context's setup begins, unless it has.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.since.get_or_insert_with(|| Since {
            number: lane::next_number(),
            root: Lane::root(),
        });
    }

    /// Waits for the rollbacks started inside the outer context.
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_below(cx));
        if table::any_pending() {
            let inside = self.inside();
            ready!(self.poll_for(inside, cx));
        }
        while let Some(left) = self.left.get_mut().and_then(Vec::pop) {
            ready!(self.poll_for([left], cx));
        }
        Poll::Ready(())
    }

    fn poll_for(
        &mut self,
        ranges: impl IntoIterator<Item = LaneRange>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.below = Some(Below::of(ranges).into());
        self.poll_below(cx)
    }

    fn poll_below(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(below) = &mut self.below {
            ready!(below.poll(cx));
            self.below = None;
        }
        Poll::Ready(())
    }

    /// What was entered inside the outer context: in the current lane, or in a `with` that it has left, to be dropped elsewhere.
    #[cold]
    fn inside(&self) -> impl Iterator<Item = LaneRange> + use<A, B> {
        let since = self.since();
        let here = LaneRange::new(Lane::current(), since..Number::MAX);
        let (root, to_come) = (Lane::root(), lane::number_to_come());
        // If the two go on in a rollback, that is another root than the one that they began in.
        let before = self.since.as_ref().map(|since| since.root);
        let before = before.filter(|before| *before != root);
        let began = InRollback::current().map_or(to_come, |rollback| rollback.began);
        let left = [(Some(root), to_come), (before, began)];
        let left = left.into_iter().filter_map(move |(root, end)| {
            let entered = since..end.max(since);
            Some(LaneRange::new(root?.left(), entered))
        });
        iter::once(here).chain(left)
    }

    /// What is inside the outer context has this number or a higher one.
    fn since(&self) -> Number {
        self.since.as_ref().map_or(0, |since| since.number) + 1
    }

    /// The two wait for something, and may go on in another lane: notes what is pending in this one.
    #[inline]
    pub(super) fn note_left(&mut self) {
        if table::any_pending() {
            self.note_pending();
        }
    }

    #[cold]
    fn note_pending(&mut self) {
        let here = LaneRange::new(Lane::current(), self.since()..lane::number_to_come());
        if !table::are_blocked(&[Some(here.clone())], 0) {
            return;
        }
        let left = self.left.get_or_default();
        left.retain(|left| !left.is_in_lane_of(&here));
        left.push(here);
    }
}
