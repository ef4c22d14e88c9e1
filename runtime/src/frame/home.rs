//! The place of a body's resource, and who may reach it: the body, which borrows it, or the driver.

use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, Ordering},
};

/// The place of a resource in closure and block style. The resource stays there from the setup to the teardown, and its body borrows it.
pub(crate) struct Home<R> {
    resource: UnsafeCell<Option<R>>,
    /// Whether there is a [`Lent`], which alone reaches the resource then. Else the [`HomeKey`] does.
    lent: AtomicBool,
}

// SAFETY: a shared home by itself gives nothing. The resource is reached by its one key, which borrows the home exclusively for as long as it lives, and by the
// one `Lent`: one after the other, as the flag says. Each may be on another thread, which `R: Send` allows. Whether several threads may see the resource through
// a shared `Lent` is up to that, which is `Sync` only if the resource is.
unsafe impl<R: Send> Sync for Home<R> {}

impl<R> Home<R> {
    /// A home without a resource.
    #[inline]
    pub(crate) fn new() -> Self {
        Home {
            resource: UnsafeCell::new(None),
            lent: AtomicBool::new(false),
        }
    }

    /// The one key to it: it borrows the home exclusively.
    #[inline]
    pub(crate) fn key(&mut self) -> HomeKey<'_, R> {
        HomeKey(self)
    }
}

/// The right to put a resource into its home and to take it out, while no body has it. There is one for a home, since it is made from a `&mut Home`.
pub(crate) struct HomeKey<'h, R>(&'h Home<R>);

impl<'h, R> HomeKey<'h, R> {
    /// The home, open; `None` if a body has the resource, or has forgotten that it has it.
    #[inline]
    pub(crate) fn open(&mut self) -> Option<Open<'_, 'h, R>> {
        let home = self.0;
        // Acquire: what the body did with the resource, before it was sent home, is visible from here on.
        let is_home = !home.lent.load(Ordering::Acquire);
        is_home.then_some(Open {
            home,
            _key: PhantomData,
        })
    }

    /// The place of the resource; `None` as in [`open`](HomeKey::open).
    #[inline]
    pub(crate) fn room(&mut self) -> Option<&mut Option<R>> {
        let Open { home, .. } = self.open()?;
        // SAFETY: no body has the resource, as `open` says, and a `Lent` could only be made by this key, which is borrowed for as long as the reference lives.
        Some(unsafe { &mut *home.resource.get() })
    }

    /// Takes the resource out; `None` if a body has it, or there is none.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<R> {
        self.room()?.take()
    }
}

/// A home whose resource no body has, and its key, which is borrowed exclusively.
pub(crate) struct Open<'k, 'h, R> {
    home: &'h Home<R>,
    _key: PhantomData<&'k mut HomeKey<'h, R>>,
}

impl<'h, R> Open<'_, 'h, R> {
    /// The place of the resource.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut Option<R> {
        // SAFETY: there was no `Lent` when this was made. One is made only by `lend`, which uses this up. And the one key is borrowed exclusively.
        unsafe { &mut *self.home.resource.get() }
    }

    /// Lends the resource to a body.
    #[inline]
    pub(crate) fn lend(self) -> Lent<'h, R> {
        // There is no other one, as said in `room`.
        self.home.lent.store(true, Ordering::Relaxed);
        Lent(self.home)
    }
}

/// The resource while the body has it. It goes home when the body is dropped.
pub struct Lent<'h, R>(&'h Home<R>);

impl<R> Lent<'_, R> {
    /// Moves what is in `from`, if anything is, into `to`, where nothing was before. Returns whether there was something in `from`.
    #[inline]
    pub(super) fn hand_over(from: Option<Self>, to: &mut Option<Self>) -> bool {
        match from {
            Some(lent) => {
                to.get_or_insert(lent);
                true
            }
            None => false,
        }
    }

    /// The resource, for longer than this is borrowed.
    ///
    /// # Safety
    /// The reference is gone before this is dropped. Until then, this isn't used for anything else.
    #[inline]
    pub(super) unsafe fn resource<'b>(&mut self) -> &'b mut R {
        // SAFETY: as long as there is a `Lent`, the key keeps off. By this function's contract, nobody else uses the one `Lent` meanwhile.
        match unsafe { &mut *self.0.resource.get() } {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

// SAFETY: it is used as a `&mut R` would be, and the flag is atomic.
unsafe impl<R: Send> Send for Lent<'_, R> {}
// SAFETY: a shared one gives a `&R`, and nothing else.
unsafe impl<R: Sync> Sync for Lent<'_, R> {}

#[cold]
fn gone() -> ! {
    panic!("a resource is taken out of its home only when it isn't lent");
}

impl<R> Deref for Lent<'_, R> {
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        // SAFETY: as long as there is a `Lent`, the key keeps off. There is one `Lent`, and it is borrowed for as long as the reference lives.
        match unsafe { &*self.0.resource.get() } {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

impl<R> DerefMut for Lent<'_, R> {
    #[inline]
    fn deref_mut(&mut self) -> &mut R {
        // SAFETY: as in `deref`; here it is borrowed exclusively.
        match unsafe { &mut *self.0.resource.get() } {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

impl<R> Drop for Lent<'_, R> {
    #[inline]
    fn drop(&mut self) {
        self.0.lent.store(false, Ordering::Release);
    }
}
