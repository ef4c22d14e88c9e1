//! The owner of a frame: with its type, or without it, for code that is compiled once and not for each context.

use super::{
    AnyContext, AsyncContext, Ending, NotEntered,
    heap::Allocated,
    lodged::{Lodged, Place},
};
use crate::{
    background::RollbackState,
    kind::Kind,
    trace::{OuterSpan, is_watched},
};
use std::{
    alloc::Layout,
    fmt::Debug,
    marker::PhantomData,
    mem::ManuallyDrop,
    pin::Pin,
    ptr,
    task::{Context, Poll, ready},
};

/// Owns a frame that is pinned in a box, [`Lodged`] or [`Housed`](super::Housed), and what its rollback keeps there.
///
/// `M` is the frame's type, or a `dyn AnyFrame`, which says of it only whether it is `Send`, and how long what it borrows lives.
//
// Where `M` is sized, the frame is an `M`: it is made with that type, and forgets it only for a `dyn AnyFrame`. The steps are those of the frame's type,
// and the layout in them is that of the box that it is in.
pub struct Held<M: ?Sized> {
    lodged: Place,
    steps: &'static Steps,
    _owns: PhantomData<M>,
}

/// A frame of whatever type.
pub(crate) trait AnyFrame {}

/// What is still known of a `C` whose type is forgotten.
///
/// # Safety
/// It says nothing that isn't so: a `C` is `Send` and `Sync` if this is, and what it borrows lives as long.
pub(crate) unsafe trait SaysOf<C> {}

// SAFETY: it says that it lives that long, and nothing else.
unsafe impl<'a, C: 'a> SaysOf<C> for dyn AnyFrame + 'a {}
// SAFETY: the same, and that it is `Send`.
unsafe impl<'a, C: Send + 'a> SaysOf<C> for dyn AnyFrame + Send + 'a {}

// SAFETY: beside the frame there is a `RollbackState`, which is `Send` and `Sync`, and all that is left of a `Housed` is plain data, see
// `House::abandon`; and a frame is an `M`, or of a type of which `M` says it truly, see `SaysOf`.
unsafe impl<M: ?Sized + Send> Send for Held<M> {}
// SAFETY: as above; without its type, nothing can be done with a shared frame.
unsafe impl<M: ?Sized + Sync> Sync for Held<M> {}

impl<M: ?Sized> Unpin for Held<M> {}

impl<M: ?Sized> Held<M> {
    /// What its rollback keeps, and the frame, for code that doesn't know its type.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut RollbackState, FrameMut<'_>) {
        let frame = FrameMut {
            lodged: self.lodged,
            steps: self.steps,
            _borrows: PhantomData,
        };
        // SAFETY: that is where its first field is, and this is its owner, which is borrowed; a `FrameMut` keeps to the frame.
        (unsafe { self.lodged.as_mut() }, frame)
    }
}

impl<C> Held<C> {
    pub(crate) fn as_mut(&mut self) -> Pin<&mut C> {
        // SAFETY: the frame is a `C`, and this is its owner, which is borrowed.
        unsafe { pinned(self.lodged) }
    }

    /// What its rollback keeps, and the frame.
    pub(crate) fn typed_parts(&mut self) -> (&mut RollbackState, Pin<&mut C>) {
        // SAFETY: as above, and in `parts`: these are two fields of what is in the box.
        unsafe { (self.lodged.as_mut(), pinned(self.lodged)) }
    }

    /// Forgets the frame's type, but not what `M` says of it.
    pub(crate) fn into_any<M: SaysOf<C> + ?Sized>(self) -> Held<M> {
        let held = ManuallyDrop::new(self);
        Held {
            lodged: held.lodged,
            steps: held.steps,
            _owns: PhantomData,
        }
    }
}

impl<C: AsyncContext> Held<C> {
    /// Owns the frame in such a box, which is in its first field, a [`Lodged`].
    ///
    /// # Safety
    /// The caller gives up the box, in which there is nothing left but plain data beside what is [`Lodged`], and that is written.
    #[inline]
    pub(super) unsafe fn new<B>(place: Place) -> Self {
        Held {
            lodged: place,
            steps: const { &Steps::of::<C>(Layout::new::<B>()) },
            _owns: PhantomData,
        }
    }
}

impl<M: ?Sized> Drop for Held<M> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: nobody uses the box from here on.
        unsafe { free(self.lodged, self.steps) };
    }
}

/// Drops what is kept, and the frame, and frees the box, also if these unwind.
///
/// # Safety
/// The steps are those of this box, which isn't used afterwards.
unsafe fn free(lodged: Place, steps: &'static Steps) {
    struct Frame(Place, &'static Steps);
    impl Drop for Frame {
        fn drop(&mut self) {
            // SAFETY: by the contract of `free`.
            unsafe { (self.1.drop)(self.0) };
        }
    }
    // SAFETY: by this function's contract.
    unsafe {
        let _emptied = Allocated::again(lodged, steps.layout);
        let _frame = Frame(lodged, steps);
        ptr::drop_in_place(lodged.as_ptr());
    }
}

/// A frame of whatever type, borrowed from its owner.
pub(crate) struct FrameMut<'h> {
    lodged: Place,
    steps: &'static Steps,
    _borrows: PhantomData<&'h mut ()>,
}

/// Is told of an error that the frame has returned.
pub(crate) type Failed<'f> = &'f mut dyn FnMut(&dyn Debug);

impl FrameMut<'_> {
    /// The span that it was entered in.
    pub(crate) fn outer_span(&mut self) -> OuterSpan {
        if !is_watched() {
            return OuterSpan::none();
        }
        // SAFETY: the steps are those of this frame, which its owner keeps alive and pinned, and lends to this alone.
        unsafe { (self.steps.outer_span)(self.lodged) }
    }

    /// Drops a setup where it stands. `true` if something has been entered already, whose teardown is to be run.
    pub(crate) fn interrupt(&mut self) -> bool {
        // SAFETY: as above.
        unsafe { (self.steps.interrupt)(self.lodged) }
    }

    /// Runs the setup to its yield point, and says that the body was cancelled. `false` if there is nothing to be torn down.
    pub(crate) fn poll_setup(&mut self, cx: &mut Context<'_>, failed: Failed<'_>) -> Poll<bool> {
        // SAFETY: as above.
        unsafe { (self.steps.setup)(self.lodged, cx, failed) }
    }

    /// Runs the teardown.
    pub(crate) fn poll_teardown(&mut self, cx: &mut Context<'_>, failed: Failed<'_>) -> Poll<()> {
        // SAFETY: as above.
        unsafe { (self.steps.teardown)(self.lodged, cx, failed) }
    }

    /// Drops what is left of the frame.
    pub(crate) fn finish(&mut self) -> Option<Ending> {
        // SAFETY: as above.
        unsafe { (self.steps.finish)(self.lodged) }
    }
}

/// What a rollback does with a frame.
struct Steps {
    outer_span: unsafe fn(Place) -> OuterSpan,
    interrupt: unsafe fn(Place) -> bool,
    setup: unsafe fn(Place, &mut Context<'_>, Failed<'_>) -> Poll<bool>,
    teardown: unsafe fn(Place, &mut Context<'_>, Failed<'_>) -> Poll<()>,
    finish: unsafe fn(Place) -> Option<Ending>,
    drop: unsafe fn(Place),
    /// That of the box.
    layout: Layout,
}

impl Steps {
    /// For a frame that is a `C`, alive, pinned, and used by nobody else meanwhile.
    const fn of<C: AsyncContext>(layout: Layout) -> Self {
        Steps {
            outer_span: outer_span::<C>,
            interrupt: interrupt::<C>,
            setup: setup::<C>,
            teardown: teardown::<C>,
            finish: finish::<C>,
            drop: drop_frame::<C>,
            layout,
        }
    }
}

/// # Safety
/// As [`Steps::of`] has it, for as long as `'f`.
unsafe fn pinned<'f, C>(lodged: Place) -> Pin<&'f mut C> {
    // SAFETY: by this function's contract. No reference is made to what is beside the frame.
    unsafe { Pin::new_unchecked(&mut (*(lodged.as_ptr() as *mut Lodged<C>)).frame) }
}

unsafe fn outer_span<C: AsyncContext>(lodged: Place) -> OuterSpan {
    // SAFETY: the pointer is that of a `Held`, which is borrowed.
    unsafe { pinned::<C>(lodged) }.outer_span()
}

unsafe fn interrupt<C: AsyncContext>(lodged: Place) -> bool {
    // SAFETY: as above.
    unsafe { pinned::<C>(lodged) }.interrupt()
}

// The inner functions know only what the frame yields and returns: they are compiled once for all such contexts.

unsafe fn setup<C: AsyncContext>(
    lodged: Place,
    cx: &mut Context<'_>,
    failed: Failed<'_>,
) -> Poll<bool> {
    fn setup<T, K: Kind>(
        mut frame: Pin<&mut AnyContext<'_, T, K>>,
        cx: &mut Context<'_>,
        failed: Failed<'_>,
    ) -> Poll<bool> {
        let mut room = None;
        match ready!(frame.as_mut().poll_setup(&mut room, cx)) {
            Ok(()) => {
                frame.resume(&mut room, Ending::cancelled());
                return Poll::Ready(true);
            }
            Err(NotEntered::Failed(error)) => failed(&error),
            Err(NotEntered::Skipped(_)) => {}
        }
        Poll::Ready(false)
    }
    // SAFETY: as above.
    setup::<C::Resource, C::Kind>(unsafe { pinned::<C>(lodged) }, cx, failed)
}

unsafe fn teardown<C: AsyncContext>(
    lodged: Place,
    cx: &mut Context<'_>,
    failed: Failed<'_>,
) -> Poll<()> {
    fn teardown<T, K: Kind>(
        frame: Pin<&mut AnyContext<'_, T, K>>,
        cx: &mut Context<'_>,
        failed: Failed<'_>,
    ) -> Poll<()> {
        if let Err(error) = ready!(frame.poll_teardown(cx)) {
            failed(&error);
        }
        Poll::Ready(())
    }
    // SAFETY: as above.
    teardown::<C::Resource, C::Kind>(unsafe { pinned::<C>(lodged) }, cx, failed)
}

unsafe fn finish<C: AsyncContext>(lodged: Place) -> Option<Ending> {
    // SAFETY: as above.
    unsafe { pinned::<C>(lodged) }.finish()
}

unsafe fn drop_frame<C>(lodged: Place) {
    // SAFETY: as above; and this is the last that is done with the frame, where it is.
    unsafe { ptr::drop_in_place(pinned::<C>(lodged).get_unchecked_mut()) };
}
