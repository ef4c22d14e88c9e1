//! A body's resource: with the body, or back home.

use crate::background::Entered;
use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Where a resource goes back to when its body is dropped, and what is known of its context.
pub(crate) struct Home<R> {
    resource: Mutex<Option<R>>,
    pub(super) entered: Entered,
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

    fn put(&self, resource: R) {
        let old = self.resource().replace(resource);
        drop(old);
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

    pub(super) fn take(&mut self) -> Option<R> {
        self.resource.take()
    }

    pub(super) fn into_inner(mut self) -> Option<R> {
        self.resource.take()
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

impl<R> Drop for Lent<'_, R> {
    fn drop(&mut self) {
        if let Some(resource) = self.resource.take() {
            self.home.put(resource);
        }
    }
}
