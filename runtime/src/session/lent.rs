//! A body's resource: with the body, or back home.

use crate::background::Entered;
use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Where a resource goes back to when its body is dropped, and what is known of its context.
pub(crate) struct Home<R> {
    resource: Mutex<Option<R>>,
    pub(crate) entered: Entered,
}

impl<R> Home<R> {
    /// Nobody is home yet.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn new(entered: Entered) -> Self {
        Home {
            resource: Mutex::new(None),
            entered,
        }
    }

    fn resource(&self) -> MutexGuard<'_, Option<R>> {
        self.resource.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a resource there, if that isn't gone.
    pub(super) fn put(&self, resource: Option<R>) {
        if resource.is_some() {
            let old = mem::replace(&mut *self.resource(), resource);
            drop(old);
        }
    }

    pub(super) fn take(&self) -> Option<R> {
        self.resource().take()
    }
}

/// The resource while the body has it. It goes home when the body is dropped.
pub struct Lent<'h, R> {
    resource: Option<R>,
    home: &'h Home<R>,
}

impl<'h, R> Lent<'h, R> {
    pub(super) fn new(resource: R, home: &'h Home<R>) -> Self {
        Lent {
            resource: Some(resource),
            home,
        }
    }

    /// Gives the resource back, at the body's end.
    #[inline]
    pub fn back(mut self) -> Option<R> {
        self.take()
    }

    /// [`back`](Lent::back) without being moved.
    //
    // Said anew, too: it would be copied in another width than it was written in, and wait for that.
    #[inline]
    #[expect(clippy::manual_map, reason = "said anew")]
    pub(crate) fn take(&mut self) -> Option<R> {
        match self.resource.take() {
            Some(resource) => Some(resource),
            None => None,
        }
    }
}

impl<R> Deref for Lent<'_, R> {
    type Target = R;
    fn deref(&self) -> &R {
        self.resource.as_ref().expect("taken out only by value")
    }
}

impl<R> DerefMut for Lent<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        self.resource.as_mut().expect("taken out only by value")
    }
}

impl<R> Lent<'_, R> {
    #[cold]
    fn go_home(&mut self) {
        self.home.put(self.resource.take());
    }
}

impl<R> Drop for Lent<'_, R> {
    #[inline]
    fn drop(&mut self) {
        if self.resource.is_some() {
            self.go_home();
        }
    }
}
