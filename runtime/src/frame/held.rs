//! The owner of a frame, which may forget the frame's type: what is done without that is compiled once, and not for each context.

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
/// `M` is the frame's type, or a `dyn AnyFrame`. That says of the frame only whether it is `Send`, and how long what it borrows lives.
//
// Where `M` is sized, the frame is an `M`: a `Held` is made with the frame's type, and forgets it only for a `dyn AnyFrame`. The steps are always those of
// the frame's type, and the layout in them is that of the box.
pub struct Held<M: ?Sized> {
    lodged: Place,
    steps: &'static Steps,
    _owns: PhantomData<M>,
}

/// A frame of whatever type.
pub(crate) trait AnyFrame {}

/// A type that stands for a `C` whose type is forgotten.
///
/// # Safety
/// What it says of the `C` is true: a `C` is `Send` if this is, `Sync` if this is, and what a `C` borrows lives at least as long as this.
pub(crate) unsafe trait SaysOf<C> {}

// SAFETY: it says that a `C` lives for `'a`, which it does, and is neither `Send` nor `Sync`.
unsafe impl<'a, C: 'a> SaysOf<C> for dyn AnyFrame + 'a {}
// SAFETY: it says that a `C` lives for `'a` and is `Send`, which it is and does, and isn't `Sync`.
unsafe impl<'a, C: Send + 'a> SaysOf<C> for dyn AnyFrame + Send + 'a {}

// SAFETY: what is in the box besides the frame is a `RollbackState`, which is `Send` and `Sync`, and of a `Housed` only plain data, as `House::abandon` sees to.
// The frame is an `M`, or `M` stands for it by `SaysOf`: so it is `Send` if `M` is.
unsafe impl<M: ?Sized + Send> Send for Held<M> {}
// SAFETY: as above, for `Sync`. (Besides, a shared `Held` has no methods.)
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
        // SAFETY: the pointer is to the box's first field, which is the state. This owns the box and is borrowed exclusively; and a `FrameMut` reaches the frame
        // only, which is another field.
        (unsafe { self.lodged.as_mut() }, frame)
    }
}

impl<C> Held<C> {
    pub(crate) fn as_mut(&mut self) -> Pin<&mut C> {
        // SAFETY: the frame is a `C`, and this, its owner, is borrowed exclusively.
        unsafe { pinned(self.lodged) }
    }

    /// What its rollback keeps, and the frame.
    pub(crate) fn typed_parts(&mut self) -> (&mut RollbackState, Pin<&mut C>) {
        // SAFETY: as above and as in `parts`: the state and the frame are two fields of what is in the box.
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
    /// Takes over a box with a `B`, whose first field is a [`Lodged`] with the frame.
    ///
    /// # Safety
    /// The caller gives up the box. The [`Lodged`] in it is written, its state too, and beside that there is nothing left but plain data.
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
        // SAFETY: the steps are those of this box, by `new`, and nobody uses it from here on.
        unsafe { free(self.lodged, self.steps) };
    }
}

/// Drops what is kept and the frame, and frees the box, also if one of the two unwinds.
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
    // SAFETY: by this function's contract. The guards are dropped in reverse order: the frame, after the state, and then the memory, also if these unwind.
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

/// Called with an error that the frame has returned.
pub(crate) type Failed<'f> = &'f mut dyn FnMut(&dyn Debug);

impl FrameMut<'_> {
    /// The span that it was entered in.
    pub(crate) fn outer_span(&mut self) -> OuterSpan {
        if !is_watched() {
            return OuterSpan::none();
        }
        // SAFETY: the steps are those of this frame. Its owner keeps it alive and pinned, and has lent it to this alone.
        unsafe { (self.steps.outer_span)(self.lodged) }
    }

    /// Stops a setup. `true` if something has been entered already, whose teardown is to be run.
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
    /// The layout of the box.
    layout: Layout,
}

impl Steps {
    /// Steps to be called with the place of a `C` that is alive, pinned, and used by nobody else meanwhile.
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
/// At this place is a `C` as [`Steps::of`] asks for it, for as long as `'f`.
unsafe fn pinned<'f, C>(lodged: Place) -> Pin<&'f mut C> {
    // SAFETY: by this function's contract. No reference is made to what lies beside the frame, which others may use.
    unsafe { Pin::new_unchecked(&mut (*(lodged.as_ptr() as *mut Lodged<C>)).frame) }
}

unsafe fn outer_span<C: AsyncContext>(lodged: Place) -> OuterSpan {
    // SAFETY: `FrameMut` calls this with the place of its frame, as `Steps::of` asks for it.
    unsafe { pinned::<C>(lodged) }.outer_span()
}

unsafe fn interrupt<C: AsyncContext>(lodged: Place) -> bool {
    // SAFETY: as above.
    unsafe { pinned::<C>(lodged) }.interrupt()
}

// The inner functions know only what the frame yields and returns. They are compiled once for all contexts that have these in common.

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
    // SAFETY: `free` calls this as `Steps::of` asks for it, and does nothing with the frame afterwards. A pinned value is dropped where it is.
    unsafe { ptr::drop_in_place(pinned::<C>(lodged).get_unchecked_mut()) };
}
