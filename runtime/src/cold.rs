//! What is seldom done, in one function for all that do it: `catch_unwind` makes five for each closure, in the crate of whoever uses a context.

use crate::{frame::Payload, report};
use std::{
    mem::{self, ManuallyDrop},
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Waker,
    thread,
};

/// [`catch_unwind`] where nothing is in a hurry. Runs `run` once.
#[cold]
#[inline(never)]
pub(crate) fn catch(run: &mut dyn FnMut()) -> thread::Result<()> {
    catch_unwind(AssertUnwindSafe(run))
}

/// Runs what drops one thing after the other, as often as it takes: a panic has dropped what it came from.
#[cold]
pub(crate) fn until_quiet(run: &mut dyn FnMut(), panicked: &mut dyn FnMut(Payload)) {
    while let Err(payload) = catch(run) {
        panicked(payload);
    }
}

/// Wakes somebody. A waker that panics keeps nothing from going on.
#[inline(never)]
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        report::discard(payload);
    }
}

/// Drops a waker that is needed no more: its destructor's panic keeps nothing from going on.
#[inline]
pub(crate) fn drop_waker(waker: Option<Waker>) {
    if let Some(waker) = waker {
        drop_some_waker(waker);
    }
}

#[inline(never)]
fn drop_some_waker(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(waker))) {
        report::discard(payload);
    }
}

/// A place whose content can be dropped.
pub(crate) trait Clear {
    fn clear(&mut self);
}

impl<T> Clear for Option<T> {
    fn clear(&mut self) {
        *self = None;
    }
}

impl<T> Clear for Pin<&mut Option<T>> {
    fn clear(&mut self) {
        self.set(None);
    }
}

/// Drops what is there, and catches its panic.
pub(crate) fn clear(place: &mut dyn Clear) -> thread::Result<()> {
    catch(&mut || place.clear())
}

/// What an unwinding future panicked with, that is dropped here: one payload, or [`Twice`].
#[cold]
pub(crate) fn unwound(future: &mut dyn Clear, payload: Payload) -> Payload {
    match clear(future) {
        Ok(()) => payload,
        Err(second) => Box::new(Twice {
            first: payload,
            second,
        }),
    }
}

/// A future that panicked, and again while it was dropped: for whoever knows where to report the second panic.
pub(crate) struct Twice {
    pub(crate) first: Payload,
    pub(crate) second: Payload,
}

/// What whoever has it drops, if it is there, and not by itself: who knows that it isn't need not look.
pub(crate) struct ByHand<T>(ManuallyDrop<Option<T>>);

impl<T> ByHand<T> {
    #[inline]
    pub(crate) const fn none() -> Self {
        ByHand(ManuallyDrop::new(None))
    }

    /// Puts something where nothing is. What was there before would be forgotten: it isn't looked for.
    #[inline]
    pub(crate) fn put(&mut self, content: T) {
        debug_assert!(self.0.is_none(), "there is something already");
        mem::forget(self.0.replace(content));
    }
}

impl<T> Deref for ByHand<T> {
    type Target = Option<T>;

    #[inline]
    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

impl<T> DerefMut for ByHand<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.0
    }
}

/// What mostly isn't there any more when it is dropped. Whether it is, is looked up on the spot; what else there is to do then isn't.
pub(crate) struct Emptied<T>(ByHand<T>);

impl<T> Emptied<T> {
    #[inline]
    pub(crate) const fn none() -> Self {
        Emptied(ByHand::none())
    }

    #[cold]
    fn clear(&mut self) {
        *self.0 = None;
    }
}

impl<T> Deref for Emptied<T> {
    type Target = ByHand<T>;

    #[inline]
    fn deref(&self) -> &ByHand<T> {
        &self.0
    }
}

impl<T> DerefMut for Emptied<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut ByHand<T> {
        &mut self.0
    }
}

impl<T> Drop for Emptied<T> {
    #[inline]
    fn drop(&mut self) {
        if mem::needs_drop::<T>() && self.0.is_some() {
            self.clear();
        }
    }
}

/// What is seldom there, in a box.
pub(crate) struct Seldom<T>(Emptied<Box<T>>);

impl<T> Seldom<T> {
    #[inline]
    pub(crate) const fn none() -> Self {
        Seldom(Emptied::none())
    }

    #[inline]
    pub(crate) fn new(content: Option<Box<T>>) -> Self {
        Seldom(Emptied(ByHand(ManuallyDrop::new(content))))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    #[cold]
    pub(crate) fn get_or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        self.0.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Box<T>> {
        self.0.take()
    }
}
