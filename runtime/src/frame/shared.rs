//! What the yield point and its driver share, and the pointer by which each reaches it. The numbered points are those of the [frame module](super).

use super::{Ending, NotEntered, body::BodyPtr, never_yielded};
use crate::{
    cold::{self, ByHand},
    site::Definition,
};
use std::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    mem,
    ptr::{self, NonNull},
    task::{Poll, Waker},
};

/// What the yield point and the driver share.
pub(super) struct Shared<T> {
    slot: UnsafeCell<Slot<T>>,
    /// Written once, by the driver, and taken out after the block is dropped. In between, an [`Exit`](crate::Exit) borrows it: so it isn't in the slot.
    ending: UnsafeCell<ByHand<Ending>>,
    _pinned: PhantomPinned,
}

/// What both of them change, while no code of the user's runs.
pub(super) struct Slot<T> {
    resource: Option<T>,
    /// The yield point's own waker, where that isn't the driver's: a combinator such as `FuturesUnordered` polls it only once this is woken.
    waker: ByHand<Waker>,
    /// The driver's waker, while it polls the block.
    driver: Option<NonNull<Waker>>,
    /// The body, while the driver polls the block in closure style.
    body: Option<BodyPtr<T>>,
    /// The yield point is inside the body's poll.
    in_body: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the yield point.
    Setup,
    /// At the yield point.
    Open,
    /// The body is over; resource and ending are in place.
    Resumed,
    /// After the yield point, or without it.
    Past,
}

impl<T> Shared<T> {
    pub(super) fn new() -> Self {
        Shared {
            slot: UnsafeCell::new(Slot {
                resource: None,
                waker: ByHand::none(),
                driver: None,
                body: None,
                in_body: false,
                stage: Stage::Setup,
            }),
            ending: UnsafeCell::new(ByHand::none()),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(super) fn link(&self) -> Link<T> {
        // A pointer made from a shared reference will do: the slot and the ending are in `UnsafeCell`s.
        Link(NonNull::from(self))
    }
}

impl<T> Drop for Shared<T> {
    // By hand, so that the usual case, in which nothing is left, costs one comparison for each field. The resource is an `Option`, and drops itself.
    fn drop(&mut self) {
        if self.slot.get_mut().waker.is_some() || self.ending.get_mut().is_some() {
            self.drop_left();
        }
    }
}

impl<T> Shared<T> {
    /// Drops what is left: the resource first, and then the waker and the ending, also if the resource's destructor unwinds.
    #[cold]
    fn drop_left(&mut self) {
        let slot = self.slot.get_mut();
        let _ending = self.ending.get_mut().take();
        let _waker = slot.waker.take();
        drop(slot.resource.take());
    }
}

// The logic is here and in `Link`, not in `Frame`, so that it is compiled once for all contexts that yield a `T`.
impl<T> Slot<T> {
    #[inline]
    fn is_past(&mut self) -> bool {
        self.stage == Stage::Past
    }

    // Looks first: mostly there is no waker, and then nothing has to be moved.
    #[inline]
    fn take_waker(&mut self) -> Option<Waker> {
        if self.waker.is_none() {
            return None;
        }
        self.waker.take()
    }

    /// The driver's poll of the block is over.
    #[inline]
    pub(super) fn end_poll(&mut self) {
        self.driver = None;
    }

    /// The driver's poll of the block, for which it had brought a body, is over. `true` if the poll of that body isn't.
    #[inline]
    pub(super) fn take_away(&mut self) -> bool {
        self.body = None;
        self.in_body
    }

    /// Hands out the resource, if the yield point has been reached. Returns whether it has, and what was in `room` before.
    #[inline]
    fn give(&mut self, room: &mut Option<T>) -> (bool, Option<T>) {
        match self.stage {
            Stage::Open if self.resource.is_some() => (true, hand(&mut self.resource, room)),
            _ => (false, None),
        }
    }

    /// Whether the resource is with the body.
    #[inline]
    fn is_lent(&self) -> bool {
        self.stage == Stage::Open && self.resource.is_none()
    }

    /// Takes the resource back from `room`. Returns what there is no use for: a resource that comes too late, or one that was in the way.
    #[inline]
    fn put_back(&mut self, room: &mut Option<T>) -> Option<T> {
        match self.stage {
            Stage::Open => {
                self.stage = Stage::Resumed;
                hand(room, &mut self.resource)
            }
            _ => room.take(),
        }
    }

    /// Puts a resource in its place. Returns the one that was there.
    //
    // Looks first: mostly there was none, and then nothing has to be moved out.
    #[inline]
    pub(super) fn put(&mut self, resource: T) -> Option<T> {
        if self.resource.is_some() {
            return self.resource.replace(resource);
        }
        self.resource = Some(resource);
        None
    }

    // The methods above are the driver's; these are the yield point's.

    /// The resource is there for the driver to take.
    #[inline]
    pub(super) fn open(&mut self) {
        self.stage = Stage::Open;
    }

    /// Takes the body that the driver has brought, so that nobody else reaches it.
    #[inline]
    pub(super) fn take_body(&mut self) -> Option<BodyPtr<T>> {
        self.body.take()
    }

    #[inline]
    pub(super) fn put_body(&mut self, body: BodyPtr<T>) {
        self.body = Some(body);
    }

    /// [`take_body`](Slot::take_body), if the body may be polled on this thread.
    #[inline]
    pub(super) fn take_body_at_home(&mut self) -> Option<BodyPtr<T>> {
        self.body.take_if(|body| body.is_at_home())
    }

    #[inline]
    pub(super) fn set_in_body(&mut self, in_body: bool) {
        self.in_body = in_body;
    }

    /// The resource, once the body is over.
    #[inline]
    pub(super) fn come_back(&mut self) -> Option<T> {
        match self.stage {
            Stage::Resumed => {
                self.stage = Stage::Past;
                self.resource.take()
            }
            _ => None,
        }
    }

    /// Whether the yield point has to keep `waker`: not if it is the driver's, which polls the block anyway, and not if it is kept already.
    ///
    /// # Safety
    /// The driver is in its poll of the block, or there is no pointer to its waker.
    #[inline]
    pub(super) unsafe fn needs(&self, waker: &Waker) -> bool {
        // Mostly it is the driver's very own, at the same address: that is one comparison, where `will_wake` is a call.
        if ptr::eq(
            self.driver
                .map_or(ptr::null(), |driver| driver.as_ptr().cast_const()),
            waker,
        ) {
            return false;
        }
        let wakes = |known: &Waker| known.will_wake(waker);
        // SAFETY: by this function's contract; the driver borrows its waker for that poll.
        let drivers = self
            .driver
            .as_ref()
            .map(|driver| unsafe { driver.as_ref() });
        !drivers.is_some_and(wakes) && !self.waker.as_ref().is_some_and(wakes)
    }

    #[inline]
    pub(super) fn keep_waker(&mut self, waker: Waker) -> Option<Waker> {
        self.waker.replace(waker)
    }

    #[inline]
    pub(super) fn take_resource(&mut self) -> Option<T> {
        self.resource.take()
    }

    /// The yield point is dropped. Returns what it leaves.
    #[inline]
    pub(super) fn close(&mut self) -> (Option<T>, Option<Waker>) {
        self.stage = Stage::Past;
        self.take_left()
    }

    /// Takes what is left behind: by the yield point as it is dropped, or by one that the block has forgotten.
    #[inline]
    fn take_left(&mut self) -> (Option<T>, Option<Waker>) {
        (self.resource.take(), self.take_waker())
    }
}

/// Moves what is in `from` into `to`. Returns what was in `to`, which is mostly nothing: then this is one copy.
#[inline]
fn hand<T>(from: &mut Option<T>, to: &mut Option<T>) -> Option<T> {
    // A small one goes through registers. As one copy, it would be read in another width than it was written in, and the read would wait for the writes.
    if to.is_some() || mem::size_of::<Option<T>>() <= 2 * mem::size_of::<usize>() {
        return mem::replace(to, from.take());
    }
    // SAFETY: both are borrowed exclusively, so they don't overlap. What is in `from` is moved, since `from` is overwritten without a drop. `to` is `None`, so
    // that overwriting it drops nothing.
    unsafe {
        ptr::copy_nonoverlapping(from, to, 1);
        ptr::write(from, None);
    }
    None
}

/// A pointer to what is [`Shared`]: the driver's and the yield point's.
pub(super) struct Link<T>(NonNull<Shared<T>>);

impl<T> Clone for Link<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Link<T> {}

impl<T> Link<T> {
    /// Lends the slot to `f`, which calls no code of the user's and doesn't come back here.
    ///
    /// # Safety
    /// The caller is the driver, or the yield point of a block that is being made, polled or dropped (point 4).
    pub(super) unsafe fn slot<R>(self, f: impl FnOnce(&mut Slot<T>) -> R) -> R {
        // SAFETY: the frame keeps `Shared` in place and alive for longer than the block (point 2), and by this function's contract nobody
        // else has a reference to the slot until `f` returns.
        f(unsafe { &mut *self.0.as_ref().slot.get() })
    }

    /// Whether there is an ending.
    ///
    /// # Safety
    /// As for [`end`](Link::end).
    #[inline]
    unsafe fn is_told(self) -> bool {
        // SAFETY: by this function's contract.
        unsafe { &*UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending) }.is_some()
    }

    /// Writes the ending, unless there is one.
    ///
    /// # Safety
    /// The caller is the driver, and the block isn't being polled.
    #[inline]
    unsafe fn end(self, ending: Ending) {
        // SAFETY: by this function's contract, the block isn't running. The borrow for `is_none` ends at once. The exclusive one is made only where no ending
        // is there yet, which nothing can have borrowed.
        unsafe {
            let cell = UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending);
            if (&*cell).is_none() {
                (&mut *cell).put(ending);
            }
        }
    }

    /// Puts a body where the yield point finds it.
    ///
    /// # Safety
    /// The caller is the driver, and the block isn't being polled.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn bring(self, body: BodyPtr<T>) {
        // SAFETY: by this function's contract.
        unsafe { self.slot(|slot| slot.body = Some(body)) };
    }

    /// The driver's poll of the block begins.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn begin_poll(self, driver: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { self.slot(|slot| slot.driver = Some(NonNull::from(driver))) };
    }

    /// Wakes the yield point, where it has kept a waker of its own.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn wake(self) {
        // SAFETY: by this function's contract.
        if let Some(waker) = unsafe { self.slot(Slot::take_waker) } {
            cold::wake(waker);
        }
    }

    /// A body begins that is polled at the yield point: [wakes](Link::wake) that, so that it is polled at all.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    pub(super) unsafe fn begin_body(self) {
        // SAFETY: by this function's contract.
        unsafe { self.wake() };
    }

    /// What a setup has come to, by a poll of its block.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn set_up<E>(
        self,
        polled: Poll<Result<(), E>>,
        room: &mut Option<T>,
        context: Definition,
    ) -> Poll<Result<(), NotEntered<E>>> {
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Err(NotEntered::Failed(error))),
            // SAFETY: by this function's contract.
            Poll::Ready(Ok(())) => match unsafe { self.slot(Slot::is_past) } {
                // It has reached its yield point, and dropped it in the same poll.
                true => Poll::Ready(Err(NotEntered::Skipped(None))),
                false => never_yielded(context),
            },
            // SAFETY: as above.
            Poll::Pending => match unsafe { self.slot(|slot| slot.give(room)) } {
                (true, old) => {
                    drop(old);
                    Poll::Ready(Ok(()))
                }
                (false, _) => Poll::Pending,
            },
        }
    }

    /// Takes the resource back, says how the body ended, and wakes the yield point.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn resume(self, room: &mut Option<T>, ending: Ending) {
        // SAFETY: by this function's contract.
        unsafe {
            if self.is_told() || !self.slot(|slot| slot.is_lent()) {
                return self.resume_late(room, ending);
            }
            self.end(ending);
            // This returns nothing to be dropped: the place was empty, as `is_lent` says.
            self.slot(|slot| slot.put_back(room));
            self.wake();
        }
    }

    /// [`resume`](Link::resume) where there may be no use for the resource or the ending.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cold]
    unsafe fn resume_late(self, room: &mut Option<T>, ending: Ending) {
        // SAFETY: by this function's contract.
        let late = unsafe {
            self.end(ending);
            self.slot(|slot| slot.put_back(room))
        };
        drop(late);
        // SAFETY: as above.
        unsafe { self.wake() };
    }

    /// Drops what was left by a yield point that the block has forgotten, and takes the ending.
    ///
    /// # Safety
    /// The block is dropped: only the driver is left.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) unsafe fn finish(self) -> Option<Ending> {
        // SAFETY: by this function's contract.
        let (resource, waker) = unsafe { self.slot(Slot::take_left) };
        cold::drop_waker(waker);
        drop(resource);
        // SAFETY: every `Exit` was dropped with the block (point 1): nothing borrows the ending.
        unsafe { &mut *UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending) }.take()
    }

    /// The ending, once it has been written.
    ///
    /// # Safety
    /// As for [`slot`](Link::slot); and the ending isn't taken out during `'y`.
    pub(super) unsafe fn ending<'y>(self) -> Option<&'y Ending> {
        // SAFETY: by this function's contract. There may be many shared references to an ending; an exclusive one is made only before it is written, and after
        // the block is dropped.
        unsafe { &*UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending) }.as_ref()
    }
}
