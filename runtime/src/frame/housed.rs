//! A frame in its box, beside what is known of its context: what a guard and an entry of a stack own.

use super::{
    AnyContext, AsyncContext, Ending, Held, Seed,
    heap::Allocated,
    lodged::{Lodged, Place, lodge},
};
use crate::{
    ExitKind,
    background::{Abandonment, Entered, Left, RollbackState, Style, lane::Number},
    kind::Kind,
    policy::Policy,
    teardown,
};
use std::{
    alloc::Layout,
    marker::PhantomData,
    mem,
    panic::Location,
    pin::Pin,
    ptr::{self, NonNull},
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
    pub(crate) beside: Beside<P::Origin, X>,
}

/// What of a `Housed` isn't pinned, nor lent to anybody.
pub(crate) struct Beside<O, X> {
    origin: Option<O>,
    pub(crate) extra: Option<X>,
    stage: Stage,
    /// How the body ended, from [`Waiting`](Stage::Waiting) on.
    exit: ExitKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Setup,
    Open,
    /// The teardown hasn't begun.
    Waiting,
    Teardown,
    Closed,
}

/// The parts of a `Housed`, whose frame is without its type: what is done with them is compiled once for all contexts that come to the same.
pub(crate) struct HousedParts<'n, T, K: Kind, O, X> {
    kept: &'n mut RollbackState,
    frame: Pin<&'n mut AnyContext<'n, T, K>>,
    pub(crate) resource: &'n mut Option<T>,
    pub(crate) beside: &'n mut Beside<O, X>,
}

/// The parts of this `Housed`.
type HousedPartsOf<'n, C, P, X> = HousedParts<
    'n,
    <C as AsyncContext>::Resource,
    <C as AsyncContext>::Kind,
    <P as Policy<C>>::Origin,
    X,
>;

/// Owns a [`Housed`], in a box. Dropped, it drops the frame where it stands; [`abandon`](House::abandon) leaves that to its policy.
//
// By a pointer, as a [`Lodging`](super::Lodging) does.
pub(crate) struct House<C: AsyncContext, P: Policy<C>, X = ()> {
    place: Place,
    _owns: PhantomData<Housed<C, P, X>>,
}

// SAFETY: it owns what is in the box, and memory.
unsafe impl<C: AsyncContext, P: Policy<C>, X> Send for House<C, P, X> where Housed<C, P, X>: Send {}
// SAFETY: a shared one gives shared references to the resource, and plain data: none is made to what else is in the box.
unsafe impl<C: AsyncContext<Resource: Sync>, P: Policy<C>, X> Sync for House<C, P, X> {}

// What is pinned is in the box.
impl<C: AsyncContext, P: Policy<C>, X> Unpin for House<C, P, X> {}

impl<C: AsyncContext, P: Policy<C>, X> House<C, P, X> {
    /// Puts a context in a box that is being entered. Nothing runs before [`poll_setup`](HousedParts::poll_setup).
    #[inline]
    pub(crate) fn new(seed: Seed<C>, at: &'static Location<'static>, extra: Option<X>) -> Self {
        let entered = Entered::now(|| seed.definition(), at, Style::Guard);
        let allocated = Allocated::new(Layout::new::<Housed<C, P, X>>());
        let place = allocated.place();
        let housed = place.as_ptr() as *mut Housed<C, P, X>;
        // SAFETY: a `Housed` begins with what a frame is in. There is room for the rest of it, of which all is written, where it is, so that nothing is moved
        // twice. The policy comes first: if that unwinds, the memory is freed, without a content; and nothing unwinds after that.
        unsafe {
            (&raw mut (*housed).beside).write(Beside::new(P::origin(), extra));
            (&raw mut (*housed).resource).write(None);
            lodge(seed, place);
            place.write(RollbackState::new(entered));
        }
        allocated.leak();
        House {
            place,
            _owns: PhantomData,
        }
    }

    /// The same as a box.
    pub(crate) fn into_box(self) -> Pin<Box<Housed<C, P, X>>> {
        // SAFETY: it was allocated as a box allocates it, is owned by this, and nothing moves what is in it.
        let housed = unsafe { Pin::new_unchecked(Box::from_raw(self.housed())) };
        mem::forget(self);
        housed
    }

    pub(crate) fn from_box(housed: Pin<Box<Housed<C, P, X>>>) -> Self {
        // SAFETY: nothing moves what is in the box.
        let housed = Box::leak(unsafe { Pin::into_inner_unchecked(housed) });
        House {
            place: NonNull::from(housed).cast(),
            _owns: PhantomData,
        }
    }

    #[inline]
    fn housed(&self) -> *mut Housed<C, P, X> {
        self.place.as_ptr() as *mut _
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn parts(&mut self) -> HousedPartsOf<'_, C, P, X> {
        // SAFETY: this owns the box, and is borrowed.
        unsafe { Housed::parts_at(self.housed()) }
    }

    // No reference is made to the frame in these, which may borrow from itself.

    #[inline]
    pub(crate) fn resource(&self) -> Option<&C::Resource> {
        // SAFETY: this owns the box, and is borrowed.
        unsafe { &(*self.housed()).resource }.as_ref()
    }

    #[inline]
    pub(crate) fn entered(&self) -> &Entered {
        // SAFETY: as above. What is kept was written when it was made.
        &unsafe { self.place.as_ref() }.entered
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        // SAFETY: as above.
        unsafe { &(*self.housed()).beside }.is_open()
    }

    /// [`abandon`](House::abandon), where the context mostly is closed.
    #[inline]
    pub(crate) fn end(self) {
        // SAFETY: as above.
        if !unsafe { &(*self.housed()).beside }.is_closed() {
            self.abandon();
        }
    }

    /// Leaves the frame to its policy, if its context isn't closed yet.
    #[cold]
    pub(crate) fn abandon(mut self) {
        let Some(origin) = self.parts().leave() else {
            return;
        };
        let place = self.place;
        mem::forget(self);
        // SAFETY: the box is given up. All that is in it was written when it was made, and only plain data is left beside the frame: what was there may go
        // nowhere but where the frame may, and lives no longer.
        let frame = unsafe { Held::new::<Housed<C, P, X>>(place) };
        P::take_over(Abandonment::new(frame), origin);
    }
}

impl<C: AsyncContext, P: Policy<C>, X> Drop for House<C, P, X> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: this is the last that is done with what is in the box, where it is; what is kept is dropped, which it isn't by itself, and the memory is
        // freed also if the rest unwinds.
        unsafe {
            let _emptied = Allocated::again(self.place, Layout::new::<Housed<C, P, X>>());
            let _kept = Leaving(self.place);
            ptr::drop_in_place(self.housed());
        }
    }
}

/// Drops what is kept in a place.
struct Leaving(Place);

impl Drop for Leaving {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: whoever makes it does nothing else with that place afterwards.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
    }
}

impl<C: AsyncContext, P: Policy<C>, X> Housed<C, P, X> {
    pub(crate) fn parts(self: Pin<&mut Self>) -> HousedPartsOf<'_, C, P, X> {
        // SAFETY: it is in its place, and borrowed for as long. Nothing moves the frame.
        unsafe { Housed::parts_at(self.get_unchecked_mut()) }
    }

    /// # Safety
    /// It is there, pinned, and nobody else uses it for as long as `'n`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn parts_at<'n>(housed: *mut Self) -> HousedPartsOf<'n, C, P, X>
    where
        Self: 'n,
    {
        // SAFETY: by this function's contract. Structural pinning of the frame alone, which is never moved: a `Housed` has no `Drop`, and is `Unpin` only if
        // the frame is. What is kept was written when it was made.
        unsafe {
            HousedParts {
                kept: (*housed).lodged.kept.assume_init_mut(),
                frame: Pin::new_unchecked(&mut (*housed).lodged.frame),
                resource: &mut (*housed).resource,
                beside: &mut (*housed).beside,
            }
        }
    }
}

impl<T, K: Kind, O, X> HousedParts<'_, T, K, O, X> {
    #[inline]
    pub(crate) fn entered(&self) -> &Entered {
        &self.kept.entered
    }

    /// Its number. If that isn't greater than this one, it is made the last one that was entered.
    pub(crate) fn number_after(&mut self, other: Number) -> Number {
        self.kept.entered.number_after(other)
    }

    /// Runs the setup.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn poll_setup(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        // If it unwinds, or fails, nothing is left to be set up or torn down.
        self.beside.stage = Stage::Closed;
        match self.frame.as_mut().poll_setup(self.resource, cx) {
            Poll::Pending => {
                self.beside.stage = Stage::Setup;
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                self.beside.stage = Stage::Open;
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
        self.beside.stage = Stage::Waiting;
        self.beside.exit = ending.kind();
        if self.resource.is_some() {
            self.frame.as_mut().resume(self.resource, ending);
        }
    }

    /// Runs the teardown, after what was started below the context is over. What it has come to is put into `failed`, unless all is well.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn poll_teardown(
        &mut self,
        failed: &mut Option<thread::Result<Result<(), K::Error>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Ending>> {
        if let Stage::Waiting = self.beside.stage {
            ready!(self.kept.poll_settled(cx));
            self.beside.stage = Stage::Teardown;
        }
        let frame = self.frame.as_mut();
        let ending = ready!(teardown::poll(frame, &self.kept.entered, failed, cx));
        self.beside.stage = Stage::Closed;
        Poll::Ready(ending)
    }

    /// The owner is gone: the context gets its resource back, how far it had come is kept, and what else is beside it is dropped, if it isn't plain data.
    /// Comes back with where it was entered; `None` if it is over.
    #[cold]
    fn leave(&mut self) -> Option<O> {
        let entered = &self.kept.entered;
        let left = match mem::replace(&mut self.beside.stage, Stage::Closed) {
            Stage::Setup => Left::SETUP,
            Stage::Open => Left::open(entered, self.frame.as_mut(), self.resource),
            Stage::Waiting => {
                self.frame.as_mut().abandon();
                Left::waiting(self.beside.exit)
            }
            Stage::Teardown => {
                self.frame.as_mut().abandon();
                Left::teardown(self.beside.exit)
            }
            Stage::Closed => return None,
        };
        self.kept.note_left(left);
        let origin = self.beside.origin.take();
        *self.resource = None;
        self.beside.extra = None;
        origin
    }
}

impl<O, X> Beside<O, X> {
    #[inline]
    fn new(origin: O, extra: Option<X>) -> Self {
        Beside {
            origin: Some(origin),
            extra,
            stage: Stage::Setup,
            exit: ExitKind::Cancelled,
        }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    #[inline]
    fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }
}
