//! A frame in its box, beside what is known of its context: what a guard and an entry of a stack own.

use super::{AnyContext, AsyncContext, Ending, Held, Seed};
use crate::{
    ExitKind,
    background::{Abandonment, Entered, Left, Settling},
    kind::Kind,
    policy::Policy,
    teardown::{self, Torn},
};
use std::{
    mem,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, ready},
};

/// An entered context: its frame, its resource while it is open, and what is known of it. `X` is what its owner keeps beside them.
//
// In this order, so that a pointer to it is one to its frame.
#[repr(C)]
pub(crate) struct Housed<C: AsyncContext, P: Policy<C>, X = ()> {
    frame: C,
    pub(crate) resource: Option<C::Resource>,
    pub(crate) rest: Rest<P::Origin, X>,
}

/// What of a `Housed` isn't pinned, nor lent to anybody.
pub(crate) struct Rest<O, X> {
    pub(crate) entered: Entered,
    origin: Option<O>,
    pub(crate) extra: Option<X>,
    stage: Stage,
    settling: Settling,
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

pub(crate) struct Parts<'n, C: AsyncContext, O, X> {
    pub(crate) frame: Pin<&'n mut C>,
    pub(crate) resource: &'n mut Option<C::Resource>,
    pub(crate) rest: &'n mut Rest<O, X>,
}

impl<C: AsyncContext, P: Policy<C>, X> Housed<C, P, X> {
    /// Puts a context in a box that is being entered. Nothing runs before [`poll_setup`](Housed::poll_setup).
    #[inline]
    pub(crate) fn new(seed: Seed<C>, entered: Entered, extra: Option<X>) -> Pin<Box<Self>> {
        let origin = P::origin();
        let mut housed = Box::<Self>::new_uninit();
        let place = housed.as_mut_ptr();
        // SAFETY: the place is the box's own; all its fields and theirs are written, one by one, so that nothing is moved twice. If making
        // the frame unwinds, nothing has been written yet, and the box is freed as it was allocated, without a content; nothing else can.
        unsafe {
            (&raw mut (*place).frame).write(seed.grow());
            (&raw mut (*place).resource).write(None);
            (&raw mut (*place).rest.entered).write(entered);
            (&raw mut (*place).rest.origin).write(Some(origin));
            (&raw mut (*place).rest.extra).write(extra);
            (&raw mut (*place).rest.stage).write(Stage::Setup);
            (&raw mut (*place).rest.settling).write(Settling::default());
            Box::into_pin(housed.assume_init())
        }
    }

    #[inline]
    pub(crate) fn parts(self: Pin<&mut Self>) -> Parts<'_, C, P::Origin, X> {
        // SAFETY: structural pinning of the frame alone, which is never moved. A `Housed` has no `Drop`, and is `Unpin` only if the frame is.
        unsafe {
            let this = self.get_unchecked_mut();
            Parts {
                frame: Pin::new_unchecked(&mut this.frame),
                resource: &mut this.resource,
                rest: &mut this.rest,
            }
        }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.rest.stage, Stage::Open)
    }

    /// Runs the setup.
    #[inline]
    pub(crate) fn poll_setup(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), <C::Kind as Kind>::Error>> {
        let Parts {
            frame,
            resource,
            rest,
        } = self.parts();
        // If it unwinds, or fails, nothing is left to be set up or torn down.
        rest.stage = Stage::Closed;
        match frame.poll_setup(cx) {
            Poll::Pending => {
                rest.stage = Stage::Setup;
                Poll::Pending
            }
            Poll::Ready(Ok(set_up)) => {
                *resource = Some(set_up);
                rest.stage = Stage::Open;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(not_entered)) => {
                Poll::Ready(Err(not_entered.into_error(rest.entered.definition)))
            }
        }
    }

    /// Puts the resource back and says how the body ended.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn resume(self: Pin<&mut Self>, ending: Ending) {
        let Parts {
            frame,
            resource,
            rest,
        } = self.parts();
        rest.stage = Stage::Waiting(ending.kind());
        if let Some(resource) = resource.take() {
            frame.resume(resource, ending);
        }
    }

    /// Runs the teardown, after what was started below the context is over.
    #[inline]
    pub(crate) fn poll_teardown(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(Torn<C>, Option<Ending>)> {
        let Parts { frame, rest, .. } = self.parts();
        if let Stage::Waiting(exit) = rest.stage {
            ready!(rest.settling.poll(&rest.entered, cx));
            rest.stage = Stage::Teardown(exit);
        }
        // Without its type: compiled once for all contexts that come to the same.
        let frame: Pin<&mut AnyContext<'_, C::Resource, C::Kind>> = frame;
        let torn = ready!(teardown::poll(frame, &rest.entered, cx));
        rest.stage = Stage::Closed;
        Poll::Ready(torn)
    }

    /// Leaves the frame to its policy, if its context isn't closed yet.
    #[inline]
    pub(crate) fn abandon(self: Pin<Box<Self>>) {
        if self.rest.stage != Stage::Closed {
            self.abandon_unclosed();
        }
    }

    #[cold]
    fn abandon_unclosed(mut self: Pin<Box<Self>>) {
        let Parts {
            frame,
            resource,
            rest,
        } = self.as_mut().parts();
        let frame: Pin<&mut AnyContext<'_, C::Resource, C::Kind>> = frame;
        let left = rest.leave(frame, resource);
        if let (Some(left), Some(origin)) = (left, rest.origin.take()) {
            P::take_over(Abandonment::new(self.into_held(), left), origin);
        }
    }

    /// Keeps its frame only, so that what is beside the frame may go wherever the frame may, and lives as long.
    fn into_held(mut self: Pin<Box<Self>>) -> Held<C> {
        let Parts { resource, rest, .. } = self.as_mut().parts();
        rest.clear(resource);
        // SAFETY: nothing moves it: it is dropped where it is.
        let housed = Box::leak(unsafe { Pin::into_inner_unchecked(self) });
        // SAFETY: what was beside the frame is gone.
        unsafe { Held::housed(NonNull::from(housed)) }
    }
}

// Without the frame's type: compiled once for all contexts that come to the same.
impl<O, X> Rest<O, X> {
    /// The owner is gone: how far the context had come, which gets its resource back; `None` if it is over.
    fn leave<T, K: Kind>(
        &mut self,
        frame: Pin<&mut AnyContext<'_, T, K>>,
        resource: &mut Option<T>,
    ) -> Option<Left> {
        let entered = self.entered;
        match mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Setup => Some(Left::setup(entered)),
            Stage::Open => Some(Left::open(entered, frame, resource)),
            Stage::Waiting(exit) => Some(Left::waiting(entered, exit)),
            Stage::Teardown(exit) => Some(Left::teardown(entered, exit)),
            Stage::Closed => None,
        }
    }

    /// Drops all that isn't plain data.
    fn clear<R>(&mut self, resource: &mut Option<R>) {
        self.settling = Settling::default();
        *resource = None;
        self.origin = None;
        self.extra = None;
    }
}
