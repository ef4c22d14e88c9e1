//! A frame in its box, beside what is known of its context: what a guard and an entry of a stack own.

use super::{AnyContext, AsyncContext, Ending, Held, Lodged, Seed};
use crate::{
    ExitKind,
    background::{Entered, Left, RollbackState, Style, lane::Number},
    kind::Kind,
    policy::{Policy, leave_to},
    teardown,
};
use std::{
    mem,
    panic::Location,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, ready},
    thread,
};

/// An entered context: its frame, its resource while it is open, and what is known of it. `X` is what its owner keeps beside them.
//
// In this order, so that a pointer to it is one to its first field.
#[repr(C)]
pub(crate) struct Housed<C: AsyncContext, P: Policy<C>, X = ()> {
    lodged: Lodged<C>,
    pub(crate) resource: Option<C::Resource>,
    pub(crate) rest: Rest<P::Origin, X>,
}

/// What of a `Housed` isn't pinned, nor lent to anybody.
pub(crate) struct Rest<O, X> {
    origin: Option<O>,
    pub(crate) extra: Option<X>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Setup,
    Open,
    /// The teardown hasn't begun.
    Waiting(ExitKind),
    Teardown(ExitKind),
    Closed,
}

/// The parts of a `Housed`, whose frame is without its type: what is done with them is compiled once for all contexts that come to the same.
pub(crate) struct Parts<'n, T, K: Kind, O, X> {
    kept: &'n mut RollbackState,
    frame: Pin<&'n mut AnyContext<'n, T, K>>,
    pub(crate) resource: &'n mut Option<T>,
    pub(crate) rest: &'n mut Rest<O, X>,
}

/// The parts of this `Housed`.
type PartsOf<'n, C, P, X> = Parts<
    'n,
    <C as AsyncContext>::Resource,
    <C as AsyncContext>::Kind,
    <P as Policy<C>>::Origin,
    X,
>;

impl<C: AsyncContext, P: Policy<C>, X> Housed<C, P, X> {
    /// Puts a context in a box that is being entered. Nothing runs before [`poll_setup`](Parts::poll_setup).
    #[inline]
    pub(crate) fn new(
        seed: Seed<C>,
        at: &'static Location<'static>,
        extra: Option<X>,
    ) -> Pin<Box<Self>> {
        let entered = Entered::now(|| seed.definition(), at, Style::Guard);
        let rest = Rest::new(P::origin(), extra);
        let mut housed = Box::<Self>::new_uninit();
        let place = housed.as_mut_ptr();
        // SAFETY: the place is the box's own; all its fields are written, one by one, so that nothing is moved twice. If making
        // the frame unwinds, nothing has been written yet, and the box is freed as it was allocated, without a content; nothing else can.
        unsafe {
            Lodged::write(&raw mut (*place).lodged, seed, entered);
            (&raw mut (*place).resource).write(None);
            (&raw mut (*place).rest).write(rest);
            Box::into_pin(housed.assume_init())
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn parts(self: Pin<&mut Self>) -> PartsOf<'_, C, P, X> {
        // SAFETY: structural pinning of the frame alone, which is never moved. A `Housed` has no `Drop`, and is `Unpin` only if the frame is.
        let (lodged, resource, rest) = unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.lodged),
                &mut this.resource,
                &mut this.rest,
            )
        };
        let (kept, frame) = lodged.parts();
        Parts {
            kept,
            frame,
            resource,
            rest,
        }
    }

    #[inline]
    pub(crate) fn entered(&self) -> &Entered {
        &self.lodged.kept.entered
    }

    /// Leaves the frame to its policy, if its context isn't closed yet.
    #[cold]
    pub(crate) fn abandon(mut self: Pin<Box<Self>>) {
        let parts = self.as_mut().parts();
        let mut origin = parts.rest.origin.take();
        let left = parts.leave();
        leave_to::<C, P>(self.into_held(), left, &mut origin);
    }

    /// Keeps its frame and what a rollback keeps only, so that what is beside the frame may go wherever the frame may, and lives as long.
    fn into_held(mut self: Pin<Box<Self>>) -> Held<C> {
        let Parts { resource, rest, .. } = self.as_mut().parts();
        rest.clear(resource);
        // SAFETY: nothing moves it: it is dropped where it is.
        let housed = Box::leak(unsafe { Pin::into_inner_unchecked(self) });
        // SAFETY: what else was beside the frame is gone.
        unsafe { Held::housed(NonNull::from(housed)) }
    }
}

impl<T, K: Kind, O, X> Parts<'_, T, K, O, X> {
    #[inline]
    pub(crate) fn entered(&self) -> &Entered {
        &self.kept.entered
    }

    /// Makes it the last one that was entered, and returns its new number.
    pub(crate) fn renumber(&mut self) -> Number {
        self.kept.entered.renumber()
    }

    /// Runs the setup.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn poll_setup(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        // If it unwinds, or fails, nothing is left to be set up or torn down.
        self.rest.stage = Stage::Closed;
        match self.frame.as_mut().poll_setup(cx) {
            Poll::Pending => {
                self.rest.stage = Stage::Setup;
                Poll::Pending
            }
            Poll::Ready(Ok(set_up)) => {
                *self.resource = Some(set_up);
                self.rest.stage = Stage::Open;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(not_entered)) => {
                Poll::Ready(Err(not_entered.into_error(self.kept.entered.definition)))
            }
        }
    }

    /// Puts the resource back and says how the body ended.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn resume(&mut self, ending: Ending) {
        self.rest.stage = Stage::Waiting(ending.kind());
        if let Some(resource) = self.resource.take() {
            self.frame.as_mut().resume(resource, ending);
        }
    }

    /// Runs the teardown, after what was started below the context is over. What it has come to is put into `failed`, unless all is well.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn poll_teardown(
        &mut self,
        failed: &mut Option<thread::Result<Result<(), K::Error>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Ending>> {
        if let Stage::Waiting(exit) = self.rest.stage {
            ready!(self.kept.poll_settled(cx));
            self.rest.stage = Stage::Teardown(exit);
        }
        let frame = self.frame.as_mut();
        let ending = ready!(teardown::poll(frame, &self.kept.entered, failed, cx));
        self.rest.stage = Stage::Closed;
        Poll::Ready(ending)
    }

    /// The owner is gone: how far the context had come, which gets its resource back; `None` if it is over.
    #[cold]
    fn leave(mut self) -> Option<Left> {
        let entered = &self.kept.entered;
        match mem::replace(&mut self.rest.stage, Stage::Closed) {
            Stage::Setup => Some(Left::SETUP),
            Stage::Open => Some(Left::open(entered, self.frame.as_mut(), self.resource)),
            Stage::Waiting(exit) => Some(Left::waiting(exit)),
            Stage::Teardown(exit) => Some(Left::teardown(exit)),
            Stage::Closed => None,
        }
    }
}

impl<O, X> Rest<O, X> {
    #[inline]
    fn new(origin: O, extra: Option<X>) -> Self {
        Rest {
            origin: Some(origin),
            extra,
            stage: Stage::Setup,
        }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Drops all that isn't plain data.
    fn clear<R>(&mut self, resource: &mut Option<R>) {
        *resource = None;
        self.origin = None;
        self.extra = None;
    }
}
