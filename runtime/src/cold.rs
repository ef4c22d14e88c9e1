//! What is seldom done, or seldom there. Each such thing is one function here, for all who need it. The alternative is costly: each closure given to `catch_unwind`
//! makes five functions, in the crate of whoever uses a context.

use crate::{frame::Payload, report};
use std::{
    mem::{self, ManuallyDrop},
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Waker,
    thread,
};

/// [`catch_unwind`] for code that needn't be fast. Calls `run` once.
#[cold]
#[inline(never)]
pub(crate) fn catch(run: &mut dyn FnMut()) -> thread::Result<()> {
    catch_unwind(AssertUnwindSafe(run))
}

/// Calls `run`, which drops one thing after the other, until it returns. Each panic is handed to `panicked`; what it came from is dropped by then.
#[cold]
pub(crate) fn until_quiet(run: &mut dyn FnMut(), panicked: &mut dyn FnMut(Payload)) {
    while let Err(payload) = catch(run) {
        panicked(payload);
    }
}

/// Wakes somebody. If the waker panics, that is dropped, and everything goes on.
#[inline(never)]
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        report::discard(payload);
    }
}

/// Drops a waker. If its destructor panics, that is dropped, and everything goes on.
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

/// Clears a place, and catches the panic of what is dropped.
pub(crate) fn clear(place: &mut dyn Clear) -> thread::Result<()> {
    catch(&mut || place.clear())
}

/// Drops a future that has panicked with `payload`. Returns the payload, or a [`Twice`] if the drop panics, too.
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

/// The payload for a future that has panicked, and again while it was dropped. The second panic is for someone who knows what to report it as.
pub(crate) struct Twice {
    pub(crate) first: Payload,
    pub(crate) second: Payload,
}

/// An `Option` that isn't dropped by itself: its owner drops the content. An owner who knows that there is none needn't look.
pub(crate) struct ByHand<T>(ManuallyDrop<Option<T>>);

impl<T> ByHand<T> {
    #[inline]
    pub(crate) const fn none() -> Self {
        ByHand(ManuallyDrop::new(None))
    }

    /// Puts something where nothing is. It isn't looked whether that is so: a content that was there would be forgotten.
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

/// An `Option` that is mostly empty when it is dropped. The look whether it is goes inline, and the drop of the content doesn't.
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

/// An `Option`, in a box, of something that is seldom there.
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
