//! A frame in a box, with what is known of its context: what a guard and an entry of a stack own.

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

/// An entered context: its frame, its resource while it is open, and what is known of it. `X` is what its owner keeps with them.
//
// `repr(C)`, so that a pointer to it is one to its first field.
#[repr(C)]
pub(crate) struct Housed<C: AsyncContext, P: Policy<C>, X = ()> {
    lodged: Lodged<C>,
    pub(crate) resource: Option<C::Resource>,
    pub(crate) beside: Beside<P::Origin, X>,
}

/// What lies beside frame and resource in a [`Housed`]: it is neither pinned nor lent to anybody.
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

/// A [`Housed`], field by field, and its frame without its type: what is done with these is compiled once for all contexts that yield and return the same.
pub(crate) struct HousedParts<'n, T, K: Kind, O, X> {
    kept: &'n mut RollbackState,
    frame: Pin<&'n mut AnyContext<'n, T, K>>,
    pub(crate) resource: &'n mut Option<T>,
    pub(crate) beside: &'n mut Beside<O, X>,
}

/// The [`HousedParts`] of a `Housed<C, P, X>`.
type HousedPartsOf<'n, C, P, X> = HousedParts<
    'n,
    <C as AsyncContext>::Resource,
    <C as AsyncContext>::Kind,
    <P as Policy<C>>::Origin,
    X,
>;

/// Owns a [`Housed`], in a box. Dropped, it drops the frame where it stands; [`abandon`](House::abandon) leaves that to its policy.
//
// A pointer, and not a box, for the reason that `Lodging` gives.
pub(crate) struct House<C: AsyncContext, P: Policy<C>, X = ()> {
    place: Place,
    _owns: PhantomData<Housed<C, P, X>>,
}

// SAFETY: it owns the `Housed` in the box, and memory.
unsafe impl<C: AsyncContext, P: Policy<C>, X> Send for House<C, P, X> where Housed<C, P, X>: Send {}
// SAFETY: a shared one gives a shared reference to the resource, which is `Sync`, and to the `Entered`, which is plain data. Of what lies beside, it reads the stage. It
// reaches nothing else in the box.
unsafe impl<C: AsyncContext<Resource: Sync>, P: Policy<C>, X> Sync for House<C, P, X> {}

// The frame is pinned in the box, and not in here.
impl<C: AsyncContext, P: Policy<C>, X> Unpin for House<C, P, X> {}

impl<C: AsyncContext, P: Policy<C>, X> House<C, P, X> {
    /// Puts a context in a box that is being entered. Nothing runs before [`poll_setup`](HousedParts::poll_setup).
    #[inline]
    pub(crate) fn new(seed: Seed<C>, at: &'static Location<'static>, extra: Option<X>) -> Self {
        let entered = Entered::now(|| seed.definition(), at, Style::Guard);
        let allocated = Allocated::new(Layout::new::<Housed<C, P, X>>());
        let place = allocated.place();
        let housed = place.as_ptr() as *mut Housed<C, P, X>;
        // SAFETY: the memory has the layout of a `Housed`, which begins with a `Lodged`. All of its fields are written, in place, so that nothing is moved twice.
        // The policy is asked first: if it unwinds, the memory is freed with nothing in it, and after that nothing unwinds.
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

    /// The same, as a box.
    pub(crate) fn into_box(self) -> Pin<Box<Housed<C, P, X>>> {
        // SAFETY: this owns the `Housed`, in memory that was allocated with its layout, as a box's is. Nothing moves it.
        let housed = unsafe { Pin::new_unchecked(Box::from_raw(self.housed())) };
        mem::forget(self);
        housed
    }

    pub(crate) fn from_box(housed: Pin<Box<Housed<C, P, X>>>) -> Self {
        // SAFETY: nothing moves the `Housed` out of the box.
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
        // SAFETY: this owns the box, and is borrowed exclusively.
        unsafe { Housed::parts_at(self.housed()) }
    }

    // These make no reference to the frame, which may borrow from itself.

    #[inline]
    pub(crate) fn resource(&self) -> Option<&C::Resource> {
        // SAFETY: this owns the box, and is borrowed.
        unsafe { &(*self.housed()).resource }.as_ref()
    }

    #[inline]
    pub(crate) fn entered(&self) -> &Entered {
        // SAFETY: as above. The state was written by `new`.
        &unsafe { self.place.as_ref() }.entered
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        // SAFETY: as above.
        unsafe { &(*self.housed()).beside }.is_open()
    }

    /// [`abandon`](House::abandon), for an owner whose context is mostly closed by then.
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
        // SAFETY: the box is given up, and `new` wrote all that is in it. `leave` has emptied everything beside state and frame but plain data. So what was there
        // needn't be `Send` or live for as long as the frame's new owner says of the frame.
        let frame = unsafe { Held::new::<Housed<C, P, X>>(place) };
        P::take_over(Abandonment::new(frame), origin);
    }
}

impl<C: AsyncContext, P: Policy<C>, X> Drop for House<C, P, X> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: this owns the box, and does nothing with it afterwards. The `Housed` is dropped where it is; after it the state, which as a `MaybeUninit` isn't
        // dropped with it; and then the memory is freed. All of that also if something unwinds.
        unsafe {
            let _emptied = Allocated::again(self.place, Layout::new::<Housed<C, P, X>>());
            let _kept = Leaving(self.place);
            ptr::drop_in_place(self.housed());
        }
    }
}

/// Drops the state that is kept in a place.
struct Leaving(Place);

impl Drop for Leaving {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the state is there, and the one who made this doesn't use it afterwards.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
    }
}

impl<C: AsyncContext, P: Policy<C>, X> Housed<C, P, X> {
    pub(crate) fn parts(self: Pin<&mut Self>) -> HousedPartsOf<'_, C, P, X> {
        // SAFETY: it is there, pinned, and borrowed exclusively. Nothing moves the frame.
        unsafe { Housed::parts_at(self.get_unchecked_mut()) }
    }

    /// # Safety
    /// At this place is a `Housed` with its state written, pinned, which nobody else uses for as long as `'n`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn parts_at<'n>(housed: *mut Self) -> HousedPartsOf<'n, C, P, X>
    where
        Self: 'n,
    {
        // SAFETY: by this function's contract. Only the frame is pinned structurally: it is never moved, a `Housed` has no `Drop`, and it is `Unpin` only if the
        // frame is.
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

    /// Its number. If that isn't greater than `other`, it first gets a new one, as if it had been entered just now.
    pub(crate) fn number_after(&mut self, other: Number) -> Number {
        self.kept.entered.number_after(other)
    }

    /// Runs the setup.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn poll_setup(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        // What stands if the setup unwinds: then nothing is left to be set up or torn down, nor if it fails.
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

    /// Waits for the rollbacks started below the context, and runs the teardown. What that has come to is put into `failed`, unless all is well.
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

    /// The owner is gone: gives the context its resource back, notes how far it had come, and drops everything else but plain data. Returns where it was
    /// entered; `None` if it is over.
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
