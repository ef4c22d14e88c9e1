//! A body's resource: lent to the body, or at home.

use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, Ordering},
};

/// The place of a resource in closure and block style. It stays there from the setup to the teardown: its body borrows it.
pub(crate) struct Home<R> {
    resource: UnsafeCell<Option<R>>,
    /// While there is a [`Lent`], that alone reaches the resource; else the [`HomeKey`] does.
    lent: AtomicBool,
}

// SAFETY: a shared home gives nothing. Its one key, which borrows it exclusively for as long as that may be used, and the one `Lent` use it, one after the other, as the flag says; both may be on other threads, which
// `R: Send` allows. That several threads see the resource through a shared `Lent` is up to that: it is `Sync` only if the resource is.
unsafe impl<R: Send> Sync for Home<R> {}

impl<R> Home<R> {
    /// Nobody is home yet.
    #[inline]
    pub(crate) fn new() -> Self {
        Home {
            resource: UnsafeCell::new(None),
            lent: AtomicBool::new(false),
        }
    }

    /// The one key to it.
    #[inline]
    pub(crate) fn key(&mut self) -> HomeKey<'_, R> {
        HomeKey(self)
    }
}

/// The right to put a resource into its home and to take it out, while no body has it. There is one, since it is made from a `&mut Home`.
pub(crate) struct HomeKey<'h, R>(&'h Home<R>);

impl<'h, R> HomeKey<'h, R> {
    /// The home, open; `None` if a body has the resource, or has forgotten that it has it.
    #[inline]
    pub(crate) fn open(&mut self) -> Option<Open<'_, 'h, R>> {
        let home = self.0;
        // What the body has done with it before is seen then.
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
        // SAFETY: as in `Open::room`; the key is borrowed for as long as the reference lives.
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
        // SAFETY: there was no `Lent` when this was made, none is made but by `lend`, which uses this up, and the one key is borrowed exclusively.
        unsafe { &mut *self.home.resource.get() }
    }

    /// Lends the resource to a body.
    #[inline]
    pub(crate) fn lend(self) -> Lent<'h, R> {
        // It is the only one, as above.
        self.home.lent.store(true, Ordering::Relaxed);
        Lent(self.home)
    }
}

/// The resource while the body has it. It goes home when the body is dropped.
pub struct Lent<'h, R>(&'h Home<R>);

impl<R> Lent<'_, R> {
    /// Moves what is in `from`, if anything is, into `to`, where nothing is before; comes back with whether it was there. If there was one already, it stays, and the other one goes home.
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
    /// The reference is gone before this is dropped, and meanwhile this isn't used for anything else.
    #[inline]
    pub(super) unsafe fn resource<'b>(&mut self) -> &'b mut R {
        // SAFETY: as long as there is a `Lent`, its key keeps off; and by this function's contract nobody else uses the one `Lent`.
        match unsafe { &mut *self.0.resource.get() } {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

// SAFETY: it is used as a `&mut R` would be, and its flag is atomic.
unsafe impl<R: Send> Send for Lent<'_, R> {}
// SAFETY: as above: a shared one gives a `&R`, and nothing else.
unsafe impl<R: Sync> Sync for Lent<'_, R> {}

#[cold]
fn gone() -> ! {
    panic!("a resource is taken out of its home only when it isn't lent");
}

impl<R> Deref for Lent<'_, R> {
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        // SAFETY: as long as there is a `Lent`, its key keeps off; and there is one `Lent`, which is borrowed for as long as the reference lives.
        match unsafe { &*self.0.resource.get() } {
            Some(resource) => resource,
            None => gone(),
        }
    }
}

impl<R> DerefMut for Lent<'_, R> {
    #[inline]
    fn deref_mut(&mut self) -> &mut R {
        // SAFETY: as above, borrowed exclusively.
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
