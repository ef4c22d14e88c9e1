//! A body's future while the yield point polls it.

use super::{
    Returned,
    caught::first_of,
    lent::{Home, Lent},
};
use crate::{
    background::{Below, Entered, InLane, any_pending},
    cold::{Clear, catch, clear},
    frame::{BodyPoll, Ending, Payload, Progress, WholePoll},
    report,
    teardown::{Keep, Kept},
    trace::BodySpan,
};
use std::{
    any::Any,
    mem,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

/// A body, from before it is made to what it has come to. `M` makes its future, `Fut`, from the resource.
pub(crate) struct Run<'s, 'a, R, M, Fut, V, B> {
    body: Pin<&'s mut Option<Fut>>,
    make: Option<M>,
    course: Course<'a, R, V, B>,
}

/// What a body comes to: apart from its future, so that whatever is done with it is compiled once for all bodies that come to the same.
struct Course<'a, R, V, B> {
    home: &'a Home<R>,
    span: BodySpan,
    keep: Keep<B>,
    progress: Progress,
    /// What a body that is over has returned, until its context is told. Its resource is at home meanwhile.
    returned: Option<thread::Result<Result<V, B>>>,
    /// What the context isn't told.
    kept: Kept<V, B>,
    /// The panic of a body that its context has dropped.
    panic: Option<Payload>,
}

impl<'s, 'a, R, M, Fut, V, B> Run<'s, 'a, R, M, Fut, V, B> {
    /// A body that `make` makes, or, without it, one that is there.
    #[inline]
    pub(super) fn new(
        body: Pin<&'s mut Option<Fut>>,
        make: Option<M>,
        home: &'a Home<R>,
        keep: Keep<B>,
    ) -> Self {
        Run {
            body,
            course: Course {
                home,
                span: BodySpan::none(),
                keep,
                progress: match make {
                    Some(_) => Progress::Unopened,
                    None => Progress::Open,
                },
                returned: None,
                kept: Kept::Nothing,
                panic: None,
            },
            make,
        }
    }

    #[inline]
    pub(super) fn progress(&self) -> Progress {
        self.course.progress
    }

    /// What was kept of the outcome of a body whose context has been told of it.
    #[inline]
    pub(super) fn take_kept(&mut self) -> Kept<V, B> {
        mem::replace(&mut self.course.kept, Kept::Nothing)
    }

    /// The outcome of a body whose context didn't wait for it.
    #[cold]
    pub(super) fn take_outcome(&mut self) -> Option<thread::Result<Result<V, B>>> {
        self.course.take_outcome()
    }
}

impl<'a, R, M, Fut, V, B: Any> Run<'_, 'a, R, M, Fut, V, B> {
    /// What a body that is over leaves to the teardown: its resource, if that isn't gone, and how it ended.
    pub(super) fn resume(&mut self) -> (Option<R>, Ending) {
        self.course.resume()
    }
}

impl<'a, R, M, Fut, V, B: Any> Run<'_, 'a, R, M, Fut, V, B>
where
    Fut: Future<Output = Returned<R, V, B>>,
{
    /// Polls a body that is open to its end outside of the yield point; with its resource, if that isn't gone, and how it ended, for the teardown.
    #[inline]
    pub(super) fn poll_outside(&mut self, cx: &mut Context<'_>) -> Poll<(Option<R>, Ending)> {
        let (resource, returned) = ready!(self.poll_open(cx));
        Poll::Ready((resource, self.course.keep(returned)))
    }

    /// Polls the body, if it isn't over.
    #[inline]
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Returned<R, V, B>> {
        let course = &mut self.course;
        let (Progress::Open, Some(body)) = (course.progress, self.body.as_mut().as_pin_mut())
        else {
            return Poll::Pending;
        };
        let _lane = course.in_lane();
        let _span = course.span.enter(course.home.entered.definition);
        body.poll(cx)
    }
}

impl<'a, R, M, Fut, V, B> BodyPoll<R> for Run<'_, 'a, R, M, Fut, V, B>
where
    M: FnOnce(Lent<'a, R>) -> Fut,
    Fut: Future<Output = Returned<R, V, B>>,
    B: Any,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Poll::Ready(returned) = self.poll_open(cx) {
            self.course.is_over(returned);
        }
        self.course.progress != Progress::Open
    }

    #[cold]
    fn cancel(&mut self) {
        self.course.cancel(&mut self.body);
    }

    #[cold]
    fn evict(&mut self) -> Option<R> {
        self.course.evict(&mut self.body)
    }

    fn below(&self) -> Below {
        self.course.home.entered.below()
    }

    fn lingers(&self) -> bool {
        false
    }
}

impl<'a, R, M, Fut, V, B> WholePoll<R> for Run<'_, 'a, R, M, Fut, V, B>
where
    M: FnOnce(Lent<'a, R>) -> Fut,
    Fut: Future<Output = Returned<R, V, B>>,
    B: Any,
{
    fn progress(&self) -> Progress {
        self.course.progress
    }

    #[inline]
    fn open(&mut self, resource: R) {
        let lent = Lent::new(resource, self.course.home);
        if let Some(make) = self.make.take() {
            self.body.set(Some(make(lent)));
            self.course.progress = Progress::Open;
        }
    }

    #[inline]
    fn poll_through(&mut self, cx: &mut Context<'_>) -> Option<(R, Ending)> {
        match self.poll_open(cx) {
            Poll::Ready(returned) => self.course.through(returned),
            Poll::Pending => None,
        }
    }

    fn as_body(&mut self) -> &mut dyn BodyPoll<R> {
        self
    }
}

impl<R, M, Fut, V, B> Drop for Run<'_, '_, R, M, Fut, V, B> {
    #[inline]
    fn drop(&mut self) {
        if self.course.progress == Progress::Open {
            self.course.abandon(&mut self.body);
        }
    }
}

impl<'a, R, V, B> Course<'a, R, V, B> {
    fn entered(&self) -> &'a Entered {
        &self.home.entered
    }

    /// Makes the body's lane the current one.
    #[inline]
    fn in_lane(&self) -> InLane {
        self.home.entered.body_lane().enter()
    }

    /// The body is over.
    #[inline(never)]
    fn is_over(&mut self, (resource, returned): Returned<R, V, B>) {
        self.home.put(resource);
        self.returned = Some(returned);
        self.progress = Progress::Over;
    }

    fn take_outcome(&mut self) -> Option<thread::Result<Result<V, B>>> {
        match (self.returned.take(), self.panic.take()) {
            (Some(returned), _) => {
                Some(returned.map_err(|payload| first_of(self.entered(), payload)))
            }
            (None, panic) => panic.map(Err),
        }
    }

    /// Drops the body, which sends its resource home, and takes that.
    fn take_apart(&mut self, body: &mut dyn Clear) -> (thread::Result<()>, Option<R>) {
        let _span = self.span.enter(self.home.entered.definition);
        let body = clear(body);
        (body, self.home.take())
    }

    /// Drops the body, and the resource that it had.
    #[cold]
    fn cancel(&mut self, body: &mut dyn Clear) {
        self.progress = Progress::Cancelled;
        let lane = self.in_lane();
        let (body, mut resource) = self.take_apart(body);
        let resource = catch(&mut || drop(resource.take()));
        drop(lane);
        self.ended_with(body.err(), resource.err());
    }

    /// Drops the body, and gives back the resource that it had.
    #[cold]
    fn evict(&mut self, body: &mut dyn Clear) -> Option<R> {
        // A body that is over tells how, as if it still had its resource.
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
            if self.returned.is_none() && self.panic.is_none() {
                self.panic = Some(panic);
            } else {
                report::second_panic(self.entered(), panic);
            }
        }
        if self.progress == Progress::Cancelled {
            self.entered().leave_body();
        }
    }

    /// Drops a body that isn't over, which sends its resource home.
    #[cold]
    fn abandon(&mut self, body: &mut dyn Clear) {
        let _lane = self.in_lane();
        let _span = self.span.enter(self.home.entered.definition);
        if let Err(payload) = clear(body) {
            if thread::panicking() {
                report::second_panic(&self.home.entered, payload);
            } else {
                resume_unwind(payload);
            }
        }
    }
}

impl<'a, R, V, B: Any> Course<'a, R, V, B> {
    /// What a body that has just returned leaves to the teardown, if that may begin at once.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn through(&mut self, returned: Returned<R, V, B>) -> Option<(R, Ending)> {
        // Something may have been started below, which the teardown has to wait for.
        if any_pending() {
            self.is_over(returned);
            return None;
        }
        let (resource, returned) = returned;
        let ending = self.keep(returned);
        Some((resource?, ending))
    }

    /// Takes what a body has come to apart: into how it ended, for the teardown, and the rest, which is kept.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn keep(&mut self, returned: thread::Result<Result<V, B>>) -> Ending {
        let returned = match returned {
            Ok(returned) => Ok(returned),
            Err(payload) => Err(first_of(self.entered(), payload)),
        };
        let (ending, kept) = Kept::split(returned, self.keep);
        self.kept = kept;
        self.progress = Progress::Resumed(ending.kind());
        ending
    }

    fn resume(&mut self) -> (Option<R>, Ending) {
        match self.returned.take() {
            Some(returned) => {
                let ending = self.keep(returned);
                (self.home.take(), ending)
            }
            None => (None, Ending::panicked(Box::new("the body has not ended"))),
        }
    }
}
