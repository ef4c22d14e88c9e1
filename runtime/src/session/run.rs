//! A body's future, and what it comes to.

use super::{
    Returned, Stage, State,
    caught::{first_of, poll_caught},
};
use crate::{
    background::{Below, Entered, InLane},
    cold::{ByHand, Clear, catch, clear},
    frame::{BodyPoll, Ending, Guest, Lent, Payload},
    manager::AsyncBody,
    report,
    teardown::{Keep, Kept, split},
    trace::{BodySpan, is_watched},
};
use std::{
    any::Any,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

/// The place of a body's future, whatever that is.
pub(crate) trait BodyPlace<'h, R, V, B> {
    /// Polls the future, if there is one. When it is over, this returns `true`, and what it has come to is in `came`, which is empty before. A body in closure style
    /// is `lent` its resource at its first poll.
    //
    // The outcome isn't returned: everything that hands it on would move it once more.
    fn poll_body(
        self: Pin<&mut Self>,
        lent: Option<Lent<'h, R>>,
        cx: &mut Context<'_>,
        came: &mut ByHand<Returned<V, B>>,
    ) -> bool;
    /// Drops the future, or what it would be made from.
    fn clear_body(self: Pin<&mut Self>);
}

/// The future of a block, which has its resource itself. `made` converts what it returns into a `Result`.
pub(super) struct Block<'p, Fut, M> {
    pub(super) place: Pin<&'p mut Option<Fut>>,
    pub(super) made: M,
}

// It holds only a reference to what is pinned.
impl<Fut, M> Unpin for Block<'_, Fut, M> {}

impl<'h, R, V, B, Fut, M> BodyPlace<'h, R, V, B> for Block<'_, Fut, M>
where
    Fut: Future,
    M: Fn(Fut::Output) -> Result<V, B>,
{
    #[inline]
    fn poll_body(
        self: Pin<&mut Self>,
        _: Option<Lent<'h, R>>,
        cx: &mut Context<'_>,
        came: &mut ByHand<Returned<V, B>>,
    ) -> bool {
        let Block { place, made } = self.get_mut();
        let Poll::Ready(returned) = poll_caught(place, |_| {}, cx) else {
            return false;
        };
        came.put(returned.map(made));
        true
    }

    fn clear_body(mut self: Pin<&mut Self>) {
        self.place.set(None);
    }
}

impl<'h, 'b, V, B, R, F, Fut, M> BodyPlace<'h, R, V, B> for Guest<'h, 'b, R, F, Fut, M>
where
    F: AsyncBody<&'b mut R, Fut>,
    Fut: Future,
    M: Fn(Fut::Output) -> Result<V, B>,
{
    #[inline]
    fn poll_body(
        self: Pin<&mut Self>,
        lent: Option<Lent<'h, R>>,
        cx: &mut Context<'_>,
        came: &mut ByHand<Returned<V, B>>,
    ) -> bool {
        self.poll(lent, cx, came)
    }

    fn clear_body(self: Pin<&mut Self>) {
        self.leave();
    }
}

fn cleared<'p, 'a, R, V, B, X>(body: Pin<&'p mut X>) -> Cleared<'p, 'a, X, R, V, B>
where
    X: BodyPlace<'a, R, V, B> + ?Sized,
{
    Cleared(body, PhantomData)
}

/// The drop of a body, as [`Clear`]: for code that doesn't know the body's type.
struct Cleared<'p, 'a, X: ?Sized, R, V, B>(
    Pin<&'p mut X>,
    PhantomData<fn(Lent<'a, R>) -> Returned<V, B>>,
);

impl<'a, R, V, B, X: BodyPlace<'a, R, V, B> + ?Sized> Clear for Cleared<'_, 'a, X, R, V, B> {
    fn clear(&mut self) {
        self.0.as_mut().clear_body();
    }
}

/// A body while it runs, and what it has come to. `X` is its [place](BodyPlace).
pub(crate) struct Run<'s, 'a, R, X: BodyPlace<'a, R, V, B> + ?Sized, V, B> {
    body: Pin<&'s mut X>,
    course: Course<'s, 'a, R, V, B>,
}

/// All of a [`Run`] but the body's future. What is done with it is compiled once for all bodies that return the same.
struct Course<'s, 'a, R, V, B> {
    state: &'s mut State<'a, R>,
    span: BodySpan,
    keep: Keep<B>,
    progress: Progress,
    /// The resource of a body that is polled inside its context, until the body is first polled.
    lent: ByHand<Lent<'a, R>>,
    /// What the body has come to, until its context is told; after that, what its context isn't told of it. Of a body that its context has dropped: the panic of that.
    came: ByHand<Returned<V, B>>,
}

/// How far a body has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    /// It is over, and its context hasn't been told how it ended. Its resource is at home.
    Over,
    /// Its context has dropped it.
    Cancelled,
    /// Its context has been told how it ended.
    Told,
    /// Nothing is left of it: its value has been taken.
    Gone,
}

impl<'s, 'a, R, X: BodyPlace<'a, R, V, B> + ?Sized, V, B> Run<'s, 'a, R, X, V, B> {
    #[inline]
    pub(super) fn new(body: Pin<&'s mut X>, state: &'s mut State<'a, R>, keep: Keep<B>) -> Self {
        Run {
            body,
            course: Course {
                state,
                span: BodySpan::none(),
                keep,
                progress: Progress::Open,
                lent: ByHand::none(),
                came: ByHand::none(),
            },
        }
    }

    #[inline]
    pub(super) fn entered(&self) -> &'a Entered {
        self.course.state.entered
    }

    #[inline]
    pub(super) fn stage(&mut self) -> &mut Stage {
        &mut self.course.state.stage
    }

    #[inline]
    pub(super) fn state(&mut self) -> &mut State<'a, R> {
        self.course.state
    }

    /// Keeps the body's resource for it, until its context polls it.
    #[inline]
    pub(super) fn keep_lent(&mut self, lent: Lent<'a, R>) {
        self.course.lent.put(lent);
    }

    /// Whether nothing is left of it that would have to be dropped.
    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        self.course.progress == Progress::Gone
    }

    /// Whether the body is over, and its context hasn't been told.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.course.progress == Progress::Over
    }

    /// The value that the body has returned, if it has. After that, nothing is left of the body.
    #[inline]
    pub(super) fn take_value(&mut self) -> Option<V> {
        match self.course.came.take_if(|came| matches!(came, Ok(Ok(_)))) {
            Some(Ok(Ok(value))) => {
                self.course.progress = Progress::Gone;
                Some(value)
            }
            _ => None,
        }
    }

    /// What was kept of the outcome of a body, whose context has been told how it ended.
    #[inline]
    pub(super) fn take_kept(&mut self) -> Kept<V, B> {
        self.course.came.take()?.ok()
    }

    /// Drops a body that won't run, since the setup has come to no resource.
    #[cold]
    pub(super) fn dismiss(&mut self) -> thread::Result<()> {
        self.course.dismiss(&mut cleared(self.body.as_mut()))
    }

    /// The outcome of a body whose context has ended without it. There is one if the body was over in that same poll, or has panicked as it was dropped.
    #[cold]
    pub(super) fn take_outcome(&mut self) -> Option<Returned<V, B>> {
        self.course.take_outcome()
    }
}

impl<'a, R, X: BodyPlace<'a, R, V, B> + ?Sized, V, B: Any> Run<'_, 'a, R, X, V, B> {
    /// How the body ended, which is over, for the teardown to see. The rest of its outcome is kept here.
    #[inline]
    pub(super) fn tell(&mut self) -> Ending {
        self.course.tell()
    }

    #[cold]
    fn poll_watched(&mut self, lent: Option<Lent<'a, R>>, cx: &mut Context<'_>) -> bool {
        let course = &mut self.course;
        let is_over = {
            let _span = course.span.enter(course.state.entered.definition);
            self.body.as_mut().poll_body(lent, cx, &mut course.came)
        };
        if is_over {
            // Closes the span now, and not only with this, when the teardown is over.
            course.span = BodySpan::none();
        }
        is_over
    }

    /// Polls a body that isn't over, in its lane. `true` once it is over.
    #[inline]
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> bool {
        let _lane = self.course.in_lane();
        self.poll_here(None, cx)
    }

    /// Polls a body that isn't over, in the current lane. `true` once it is over. At the first poll it is `lent` its resource.
    #[inline]
    pub(super) fn poll_here(&mut self, lent: Option<Lent<'a, R>>, cx: &mut Context<'_>) -> bool {
        let is_over = match is_watched() {
            true => self.poll_watched(lent, cx),
            false => (self.body.as_mut()).poll_body(lent, cx, &mut self.course.came),
        };
        if is_over {
            self.course.progress = Progress::Over;
        }
        is_over
    }
}

impl<'a, R, X, V, B> BodyPoll<R> for Run<'_, 'a, R, X, V, B>
where
    X: BodyPlace<'a, R, V, B> + ?Sized,
    B: Any,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.course.progress != Progress::Open {
            return true;
        }
        let _lane = self.course.in_lane();
        let lent = self.course.lent.take();
        self.poll_here(lent, cx)
    }

    #[cold]
    fn cancel(&mut self) {
        self.course.cancel(&mut cleared(self.body.as_mut()));
    }

    #[cold]
    fn evict(&mut self) -> Option<R> {
        self.course.evict(&mut cleared(self.body.as_mut()))
    }

    fn below(&self) -> Below {
        self.course.state.entered.below()
    }

    fn lingers(&self) -> bool {
        false
    }
}

impl<'a, R, X: BodyPlace<'a, R, V, B> + ?Sized, V, B> Run<'_, 'a, R, X, V, B> {
    /// Drops what is left of the body and of its outcome.
    #[cold]
    pub(super) fn leave(&mut self) {
        let _lent = self.course.lent.take();
        if self.course.progress != Progress::Told {
            self.course.abandon(&mut cleared(self.body.as_mut()));
        }
        if self.course.came.is_some() {
            report::drop_unreturned(self.course.state.entered, self.course.came.take());
        }
    }
}

impl<R, V, B> Course<'_, '_, R, V, B> {
    /// Makes the body's lane the current one.
    fn in_lane(&self) -> InLane {
        self.state.entered.body_lane().enter()
    }

    fn take_outcome(&mut self) -> Option<Returned<V, B>> {
        let came = self.came.take()?;
        Some(came.map_err(|payload| first_of(self.state.entered, payload)))
    }

    /// Drops the body, which sends its resource home, and takes the resource out of there.
    fn take_apart(&mut self, body: &mut dyn Clear) -> (thread::Result<()>, Option<R>) {
        let body = {
            let _span = is_watched().then(|| self.span.enter(self.state.entered.definition));
            clear(body)
        };
        self.span = BodySpan::none();
        *self.lent = None;
        (body, self.state.key.take())
    }

    /// Drops the body and its resource.
    #[cold]
    fn cancel(&mut self, body: &mut dyn Clear) {
        self.progress = Progress::Cancelled;
        let lane = self.in_lane();
        let (body, mut resource) = self.take_apart(body);
        let resource = catch(&mut || drop(resource.take()));
        drop(lane);
        self.ended_with(body.err(), resource.err());
    }

    /// Drops the body and returns its resource.
    #[cold]
    fn evict(&mut self, body: &mut dyn Clear) -> Option<R> {
        // A body that is over still tells its context how it ended.
        if self.progress == Progress::Open {
            self.progress = Progress::Cancelled;
        }
        let lane = self.in_lane();
        let (body, resource) = self.take_apart(body);
        drop(lane);
        self.ended_with(body.err(), None);
        resource
    }

    /// The body was dropped, with these panics.
    fn ended_with(&mut self, body: Option<Payload>, resource: Option<Payload>) {
        for panic in [body, resource].into_iter().flatten() {
            if self.came.is_none() {
                self.came.put(Err(panic));
            } else {
                report::second_panic(self.state.entered, panic);
            }
        }
        if self.progress == Progress::Cancelled {
            self.state.entered.leave_body();
        }
    }

    /// Reports the outcome, of which neither the context nor the caller has been told.
    fn leave_untold(&mut self) {
        if let Some(returned) = self.take_outcome() {
            let (ending, kept) = split(returned, self.keep);
            let exit = ending.kind();
            report::unreturned(self.state.entered, ending);
            report::drop_quietly(self.state.entered, exit, kept);
        }
    }

    /// Drops a body that won't run.
    #[cold]
    fn dismiss(&mut self, body: &mut dyn Clear) -> thread::Result<()> {
        self.progress = Progress::Told;
        clear(body)
    }

    /// Drops a body that isn't over, which sends its resource home. The failure of one that is over is reported, since nobody will be told.
    #[cold]
    fn abandon(&mut self, body: &mut dyn Clear) {
        if self.progress != Progress::Open {
            return self.leave_untold();
        }
        // In its lane only if it has begun. Before that it is a closure, whose captures were made, and count as dropped, by the caller.
        let _lane = self.state.is_set_up().then(|| self.in_lane());
        let _span = is_watched().then(|| self.span.enter(self.state.entered.definition));
        if thread::panicking() {
            // A second panic that got out of here would abort the process.
            if let Err(payload) = clear(body) {
                report::second_panic(self.state.entered, payload);
            }
        } else {
            body.clear();
        }
    }
}

impl<R, V, B: Any> Course<'_, '_, R, V, B> {
    /// How the body ended, which is over, for the teardown to see. Its value stays here, and so does what else the context isn't told.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn tell(&mut self) -> Ending {
        if !matches!(*self.came, Some(Ok(Ok(_)))) {
            return self.tell_failure();
        }
        self.progress = Progress::Told;
        Ending::completed()
    }

    #[cold]
    fn tell_failure(&mut self) -> Ending {
        self.progress = Progress::Told;
        let returned = match self.came.take() {
            Some(Ok(returned)) => Ok(returned),
            Some(Err(payload)) => Err(first_of(self.state.entered, payload)),
            None => return Ending::panicked(Box::new("the body has not ended")),
        };
        let (ending, kept) = split(returned, self.keep);
        *self.came = kept.map(Ok);
        ending
    }
}
