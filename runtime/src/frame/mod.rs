//! The frame: a context function that is suspended at its yield point.
//!
//! A frame is the user's `async` block and a [`Shared`] part that its one yield point and its driver both reach. The driver polls the block until
//! it yields and takes the resource; later it puts the resource back, says how the body ended, and polls the block to its end. In closure and block
//! style, a block whose yield point may be inside of a future of its own gets a pointer to the body *while* the driver polls it, and the yield point
//! polls the body through that. Beside any other block, the driver polls the body itself.
//!
//! This is one of the two modules with unsafe code. What its safety rests on:
//!
//! 1. The block is made from a [`YieldOnce`] whose brand `'y` is any lifetime, so that no yielder, [`Lend`] or [`Exit`] can leave the block; a
//!    `YieldOnce` has no public constructor, isn't `Clone`, and is used up by its one `lend`.
//! 2. A frame is pinned before its first poll. `Shared` outlives the block: it is declared after it, so it is dropped after it.
//! 3. `Shared` never points into a `Lend`, which may move and be forgotten. Its pointers to the body and to the driver's waker are set for one poll of
//!    the block by the driver, right before it: [`Polling`] clears them on every way out.
//! 4. Only the thread that makes, polls or drops the block, and a thread that it waits for meanwhile, reaches `Shared`; never two at a time, since the one
//!    yielder or `Lend` that has the pointer is used through `&mut` or by value. No `&mut Slot` is held while a user's code runs.
//! 5. The block may borrow from itself. So what is asked of a frame is asked through a `Pin<&mut _>`, and no shared reference to it is made, which would
//!    count as a look at all of it; of what an owner shares, one is made to what is beside the frame.
//!
//! [`Work`] is a future in one place with what it is made from. Its unsafe code is the pin projection to the future.
//! [`Home`] is where a body's resource stays in closure and block style. Its unsafe code is what an exclusive borrow does that is given out and comes back:
//! there is one key to a home, and at most one [`Lent`]. A [`Guest`] is a body with its `Lent`: the closure's future borrows the resource for as long as it
//! keeps that.
//! [`Lodging`] and [`House`] own a frame in a box with what is known of its context, by a pointer. Their unsafe code is what a box does, pin projections, and
//! writing into the box where it is; [`Allocated`](heap::Allocated) is the memory.
//! An [`Exclusive`] is `Sync` since a shared one gives nothing.
//! [`Held`] owns such a box, by a pointer to it that is one to its first field, and may forget the frame's type, but not its lifetime, nor whether it is `Send`:
//! its steps are those of that type.

mod body;
mod context;
mod ending;
mod exclusive;
mod guest;
mod heap;
mod held;
mod home;
mod housed;
mod lodged;
mod seed;
mod work;

pub use body::Body;
pub(crate) use body::{BodyPoll, Threads};
pub use context::AsyncContext;
pub(crate) use context::{AnyContext, NotEntered, Sealed, Swallowed, hands_on};
pub use ending::Ending;
pub(crate) use ending::{Payload, Standing};
pub(crate) use exclusive::Exclusive;
pub(crate) use guest::Guest;
pub(crate) use held::{AnyFrame, FrameMut, Held};
pub(crate) use home::{Home, Key, Lent};
pub(crate) use housed::{House, Housed, Parts};
pub(crate) use lodged::Lodging;
pub(crate) use seed::{Seed, is_its_own_seed};

use crate::{
    Exit,
    cold::{Clear, clear},
    kind::{Kind, Strict},
    site::Definition,
    trace::{Around, Spans, Step, is_watched},
};
use body::BodyPtr;
use std::{
    cell::UnsafeCell,
    marker::{PhantomData, PhantomPinned},
    mem,
    pin::Pin,
    process,
    ptr::{self, NonNull},
    task::{Context, Poll, Waker, ready},
};
use work::Work;

/// What the yield point and the driver share.
struct Shared<T> {
    slot: UnsafeCell<Slot<T>>,
    /// Written once, by the driver, and taken out after the block is dropped. Not in the slot: an [`Exit`] borrows it meanwhile.
    ending: UnsafeCell<Option<Ending>>,
    _pinned: PhantomPinned,
}

struct Slot<T> {
    resource: Option<T>,
    /// The yield point's own waker, where that isn't the driver's: some combinator polls it only when this has been woken.
    waker: Option<Waker>,
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
    fn new() -> Self {
        Shared {
            slot: UnsafeCell::new(Slot {
                resource: None,
                waker: None,
                driver: None,
                body: None,
                in_body: false,
                stage: Stage::Setup,
            }),
            ending: UnsafeCell::new(None),
            _pinned: PhantomPinned,
        }
    }
}

// Here and in `Link`, not in `Frame`: so it is compiled once for all contexts that yield a `T`.
impl<T> Slot<T> {
    #[inline]
    fn is_past(&mut self) -> bool {
        self.stage == Stage::Past
    }

    #[inline]
    fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// The driver's poll of the block is over. `true` if the body's isn't.
    #[inline]
    fn end_poll(&mut self) -> bool {
        self.driver = None;
        self.body = None;
        self.in_body
    }

    /// Hands out the resource, if the yield point has been reached; comes back with what was in its place. `true` if it was handed out.
    #[inline]
    fn give(&mut self, room: &mut Option<T>) -> (bool, Option<T>) {
        match self.stage {
            Stage::Open if self.resource.is_some() => (true, hand(&mut self.resource, room)),
            _ => (false, None),
        }
    }

    /// Takes the resource back; comes back with what there is no use for.
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

    /// Puts a resource in its place; comes back with another one that was there, which there mostly isn't: then nothing has to be moved out.
    #[inline]
    fn put(&mut self, resource: T) -> Option<T> {
        if self.resource.is_some() {
            return self.resource.replace(resource);
        }
        self.resource = Some(resource);
        None
    }

    /// What is left by a yield point that the block has forgotten.
    #[inline]
    fn take_left(&mut self) -> (Option<T>, Option<Waker>) {
        (self.resource.take(), self.waker.take())
    }
}

/// Moves what is in `from` into `to`; comes back with what was there, which mostly is nothing: then it is one copy, and nothing has to be moved out.
#[inline]
fn hand<T>(from: &mut Option<T>, to: &mut Option<T>) -> Option<T> {
    // Small ones go through registers: as one copy they would be read in another width than they were written in, and wait for that.
    if to.is_some() || mem::size_of::<Option<T>>() <= 2 * mem::size_of::<usize>() {
        return mem::replace(to, from.take());
    }
    // SAFETY: both are borrowed exclusively, so they are two; what is in `from` is moved out of there; and in `to` there is nothing that would have to be dropped.
    unsafe {
        ptr::copy_nonoverlapping(from, to, 1);
        ptr::write(from, None);
    }
    None
}

/// A pointer to what is shared.
struct Link<T>(NonNull<Shared<T>>);

impl<T> Clone for Link<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Link<T> {}

impl<T> Link<T> {
    /// The slot, for as long as `f` runs, which calls none of the user's code and doesn't come back here.
    ///
    /// # Safety
    /// The caller is the driver, or the yield point of a block that is being made, polled or dropped (point 4).
    unsafe fn slot<R>(self, f: impl FnOnce(&mut Slot<T>) -> R) -> R {
        // SAFETY: the frame keeps `Shared` in place and alive for longer than the block (point 2), and by this function's contract nobody
        // else has a reference to the slot until `f` returns.
        f(unsafe { &mut *self.0.as_ref().slot.get() })
    }

    /// Writes the ending, unless there is one.
    ///
    /// # Safety
    /// The caller is the driver, and the block isn't being polled.
    #[inline]
    unsafe fn end(self, ending: Ending) {
        // SAFETY: by this function's contract; `is_none` ends its borrow at once, and nothing has borrowed an ending that isn't there.
        unsafe {
            let cell = UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending);
            if (*cell).is_none() {
                ptr::write(cell, Some(ending));
            }
        }
    }

    /// Puts a body where the yield point finds it.
    ///
    /// # Safety
    /// The caller is the driver, and the block isn't being polled.
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn bring(self, body: BodyPtr<T>) {
        // SAFETY: by this function's contract.
        unsafe { self.slot(|slot| slot.body = Some(body)) };
    }

    /// The driver's poll of the block begins.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn begin_poll(self, driver: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { self.slot(|slot| slot.driver = Some(NonNull::from(driver))) };
    }

    /// Wakes the yield point, where the driver's own waker doesn't.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn wake(self) {
        // SAFETY: by this function's contract.
        if let Some(waker) = unsafe { self.slot(Slot::take_waker) } {
            waker.wake();
        }
    }

    /// [`wake`](Link::wake), where a body begins that is polled at the yield point.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    unsafe fn begin_body(self) {
        // SAFETY: by this function's contract.
        unsafe { self.wake() };
    }

    /// What a setup has come to whose block has been polled.
    ///
    /// # Safety
    /// As for [`bring`](Link::bring).
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn set_up<E>(
        self,
        polled: Poll<Result<(), E>>,
        room: &mut Option<T>,
        context: Definition,
    ) -> Poll<Result<(), NotEntered<E>>> {
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Err(NotEntered::Failed(error))),
            // SAFETY: by this function's contract.
            Poll::Ready(Ok(())) => match unsafe { self.slot(Slot::is_past) } {
                // It has dropped its yield point in the very poll in which that was reached.
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
    unsafe fn resume(self, room: &mut Option<T>, ending: Ending) {
        // SAFETY: by this function's contract.
        let late = unsafe {
            self.end(ending);
            self.slot(|slot| slot.put_back(room))
        };
        drop(late);
        // SAFETY: as above.
        unsafe { self.wake() };
    }

    /// Drops what a yield point has left that the block has forgotten, and takes the ending.
    ///
    /// # Safety
    /// The block is dropped: only the driver is left.
    #[cfg_attr(not(debug_assertions), inline(always))]
    unsafe fn finish(self) -> Option<Ending> {
        // SAFETY: by this function's contract.
        drop(unsafe { self.slot(Slot::take_left) });
        // SAFETY: every `Exit` was dropped with the block (point 1): nothing borrows the ending.
        unsafe { (*UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending)).take() }
    }

    /// The ending, once it has been written.
    ///
    /// # Safety
    /// As for [`slot`](Link::slot); and the ending isn't taken out during `'y`.
    unsafe fn ending<'y>(self) -> Option<&'y Ending> {
        // SAFETY: by this function's contract; shared references to an ending may be many, and nobody has an exclusive one to it.
        unsafe { (*UnsafeCell::raw_get(&raw const (*self.0.as_ptr()).ending)).as_ref() }
    }
}

/// The right to yield once, held by the body of a context function.
///
/// Branded: `'y` is any lifetime, so that a yielder can't leave the block it was made for. [`yield_resource!`](crate::yield_resource) uses it up.
#[must_use = "a context function yields its resource once: `yield_resource!(resource)`"]
pub struct YieldOnce<'y, T, S = Strict> {
    link: Link<T>,
    _brand: PhantomData<(fn(&'y ()) -> &'y (), fn(T) -> T, fn(S) -> S)>,
}

// SAFETY: a yielder moves a `T` to and from the driver, perhaps on another thread, which `T: Send` allows. The body that `lend` polls is
// either `Send` or compared with its own thread first.
unsafe impl<T: Send, S> Send for YieldOnce<'_, T, S> {}
// SAFETY: nothing can be done with a `&YieldOnce` or a `&Lend`.
unsafe impl<T, S> Sync for YieldOnce<'_, T, S> {}

impl<'y, T, S> YieldOnce<'y, T, S> {
    /// Yields: the future hands `resource` to the caller, and comes back with it and with how the body ended.
    #[inline]
    pub fn lend(self, resource: T) -> Lend<'y, T, S> {
        // SAFETY: a yielder can't leave its block (point 1), so that is being made, polled or dropped, and this becomes its yield point.
        let old = unsafe { self.link.slot(|slot| slot.put(resource)) };
        drop(old);
        Lend {
            yielder: self,
            state: LendState::Fresh,
        }
    }
}

/// The yield point: the future that [`YieldOnce::lend`] returns.
///
/// Dropping it while the body runs drops the body, there and then, and after it the resource.
#[must_use = "a yield point does nothing unless it is awaited"]
pub struct Lend<'y, T, S = Strict> {
    yielder: YieldOnce<'y, T, S>,
    state: LendState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LendState {
    /// Nobody has asked for the resource yet.
    Fresh,
    Lent,
    Done,
}

// Nothing points into a `Lend` (point 3).
impl<T, S> Unpin for Lend<'_, T, S> {}

impl<'y, T, S> Lend<'y, T, S> {
    /// Says that the resource is there for the driver to take.
    #[inline]
    fn hand_over(&mut self) {
        self.state = LendState::Lent;
        // SAFETY: the block is being made or polled: this is its yield point.
        unsafe { self.yielder.link.slot(|slot| slot.stage = Stage::Open) };
    }

    /// Polls the body, if the driver has brought one.
    ///
    /// # Panics
    /// If this isn't the body's thread.
    fn poll_body(&mut self, cx: &mut Context<'_>) {
        let link = self.yielder.link;
        // SAFETY: the block is being made or polled: this is its yield point. The pointer is taken out, so that a body can't be polled from inside itself.
        let Some(body) = (unsafe { link.slot(|slot| slot.body.take()) }) else {
            return;
        };
        if !body.is_at_home() {
            // SAFETY: as above. When this yield point is dropped, it may be on the body's thread.
            unsafe { link.slot(|slot| slot.body = Some(body)) };
            panic!(
                "a yield point was polled on another thread than its body's: with `with_local`, in a block and in a tuple it has to stay on the thread that polls the whole"
            );
        }
        // SAFETY: as above.
        unsafe { link.slot(|slot| slot.in_body = true) };
        let polled = Polled(link);
        // SAFETY: the pointer was in the slot, so the driver is in the poll that set it and the body is alive (point 3); it was taken out, so
        // nobody else polls it; and this thread may, as has just been looked up.
        unsafe { body.poll(cx) };
        drop(polled);
        // Also when the body is over: if this yield point is dropped before the driver hears of it, the resource goes with it.
        // SAFETY: as above; the driver is still in that poll, which clears the pointer.
        unsafe { link.slot(|slot| slot.body = Some(body)) };
    }

    #[inline]
    fn take_back(&mut self) -> Option<(T, Exit<'y, S>)> {
        let link = self.yielder.link;
        // SAFETY: the block is being made or polled: this is its yield point.
        let resource = unsafe {
            link.slot(|slot| match slot.stage {
                Stage::Resumed => {
                    slot.stage = Stage::Past;
                    slot.resource.take()
                }
                _ => None,
            })
        }?;
        self.state = LendState::Done;
        // SAFETY: as above; it is taken out after the block is dropped, which a `'y` can't leave (point 1).
        let ending = unsafe { link.ending::<'y>() }?;
        Some((resource, Exit::view(ending)))
    }

    /// Keeps the yield point's waker, unless it is the driver's own, which polls the block anyway.
    #[inline]
    fn register(&self, waker: &Waker) {
        let link = self.yielder.link;
        // SAFETY: the block is being made or polled: this is its yield point. `will_wake` compares pointers. The driver's waker is alive: `poll_block`
        // borrows it while the pointer is set.
        let needed = unsafe {
            link.slot(|slot| {
                let drivers = slot.driver.is_some_and(|driver| {
                    ptr::eq(driver.as_ptr(), waker) || driver.as_ref().will_wake(waker)
                });
                match &slot.waker {
                    Some(old) => !old.will_wake(waker),
                    None => !drivers,
                }
            })
        };
        if !needed {
            return;
        }
        let waker = Some(waker.clone());
        // SAFETY: as above.
        let old = unsafe { link.slot(|slot| mem::replace(&mut slot.waker, waker)) };
        drop(old);
    }
}

/// Says that the yield point is out of the body's poll, also when it unwinds.
struct Polled<T>(Link<T>);

impl<T> Drop for Polled<T> {
    fn drop(&mut self) {
        // SAFETY: made and dropped by the yield point, while the block is polled.
        unsafe { self.0.slot(|slot| slot.in_body = false) };
    }
}

impl<'y, T, S> Future for Lend<'y, T, S> {
    type Output = (T, Exit<'y, S>);

    // What it comes to would be written and read again in another width, and wait for that.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.state {
            LendState::Fresh => self.hand_over(),
            LendState::Lent => {
                self.poll_body(cx);
                if let Some(back) = self.take_back() {
                    return Poll::Ready(back);
                }
            }
            LendState::Done => panic!("a yield point was polled after it had come back"),
        }
        self.register(cx.waker());
        Poll::Pending
    }
}

impl<T, S> Drop for Lend<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        match self.state {
            LendState::Fresh => self.keep_back(),
            LendState::Lent => self.close(),
            LendState::Done => {}
        }
    }
}

impl<T, S> Lend<'_, T, S> {
    /// Dropped without having been polled.
    #[cold]
    fn keep_back(&mut self) {
        // SAFETY: the block is being made, polled or dropped: a `Lend` can't leave it.
        let resource = unsafe { self.yielder.link.slot(|slot| slot.resource.take()) };
        drop(resource);
    }

    /// Dropped while the body runs.
    #[cold]
    fn close(&mut self) {
        let link = self.yielder.link;
        // SAFETY: as in `keep_back`.
        let body = unsafe { link.slot(|slot| slot.body.take_if(|body| body.is_at_home())) };
        if let Some(body) = body {
            // SAFETY: as in `poll_body`: alive, taken out, and at home on this thread.
            unsafe { body.cancel() };
        }
        // SAFETY: as above.
        let left = unsafe {
            link.slot(|slot| {
                slot.stage = Stage::Past;
                (slot.resource.take(), slot.waker.take())
            })
        };
        drop(left);
    }
}

/// A closure that makes a context's block from its yielder, whatever the brand.
///
/// Implemented for every such closure; the macro's `async move |yielder| { … }` is one.
pub trait YieldFn<'y, T, S>:
    FnOnce(YieldOnce<'y, T, S>) -> <Self as YieldFn<'y, T, S>>::Fut
{
    /// The block.
    type Fut: Future<Output = <Self as YieldFn<'y, T, S>>::Out>;
    /// What the block returns.
    type Out;
}

impl<'y, T, S, F, Fut> YieldFn<'y, T, S> for F
where
    F: FnOnce(YieldOnce<'y, T, S>) -> Fut,
    Fut: Future,
{
    type Fut = Fut;
    type Out = Fut::Output;
}

/// A context function, before, at and after its yield point.
pub struct Frame<F, Fut, T, K> {
    // Dropped in this order: the block writes to what it shares (point 2).
    work: Work<F, Fut>,
    rest: Rest<T>,
    _kind: PhantomData<fn() -> K>,
}

/// What of a [`Frame`] isn't its work.
struct Rest<T> {
    shared: Shared<T>,
    definition: Definition,
    polls_body: bool,
    spans: Spans,
}

// SAFETY: what a frame owns is the closure, the block, resources, a waker, an ending and spans (`Send`), and raw pointers that are set only while
// it is polled, when it can't be moved.
unsafe impl<F: Send, Fut: Send, T: Send, K> Send for Frame<F, Fut, T, K> {}
// SAFETY: nothing of a frame is read through a shared reference.
unsafe impl<F, Fut, T, K> Sync for Frame<F, Fut, T, K> {}

/// The frame that a closure makes.
pub(crate) type FrameOf<F, T, K> =
    Frame<F, <F as YieldFn<'static, T, <K as Kind>::Suppression>>::Fut, T, K>;

/// What a [`Frame`] is made from.
pub struct Before<F> {
    block: F,
    definition: Definition,
    polls_body: bool,
}

/// A context that runs `block`, which yields a `T`. `polls_body` says that it may do so inside of a future of its own.
pub(crate) fn before<T, K, F>(
    definition: Definition,
    polls_body: bool,
    block: F,
) -> Seed<FrameOf<F, T, K>>
where
    K: Kind,
    F: for<'y> YieldFn<'y, T, K::Suppression, Out = K::Returned>,
{
    Seed::new(Before {
        block,
        definition,
        polls_body,
    })
}

impl<F, Fut, T, K> Frame<F, Fut, T, K> {
    /// By no shared reference to the whole: the block in the work may borrow from itself.
    #[inline]
    fn rest(self: Pin<&mut Self>) -> &mut Rest<T> {
        // SAFETY: nothing is moved out of the pinned frame; of this part only what is shared stays where it is, of which no more than a pointer is given.
        unsafe { &mut self.get_unchecked_mut().rest }
    }

    #[inline]
    fn link(self: Pin<&mut Self>) -> Link<T> {
        // `NonNull::from(&…)`: the slot and the ending are in `UnsafeCell`s.
        Link(NonNull::from(&self.rest().shared))
    }

    #[inline]
    fn work(self: Pin<&mut Self>) -> Pin<&mut Work<F, Fut>> {
        // SAFETY: structural pinning of the work, which is never moved. A frame is `!Unpin` and has no `Drop`.
        unsafe { Pin::new_unchecked(&mut self.get_unchecked_mut().work) }
    }
}

impl<F, Fut, T, K> Frame<F, Fut, T, K>
where
    K: Kind,
    F: FnOnce(YieldOnce<'static, T, K::Suppression>) -> Fut,
    Fut: Future<Output = K::Returned>,
{
    /// Makes the block, once.
    #[inline]
    fn start(mut self: Pin<&mut Self>) {
        let link = self.as_mut().link();
        self.work().start(|init| {
            // The brand is erased here: the block was type-checked for every `'y`, so it can't tell.
            init(YieldOnce {
                link,
                _brand: PhantomData,
            })
        });
    }

    /// Puts a body where the yield point finds it. [`poll_block`](Frame::poll_block) comes next, and takes it away again.
    //
    // Not an argument of that, which would be written and read again in another width, and wait for that.
    #[inline]
    fn bring(mut self: Pin<&mut Self>, body: BodyPtr<T>) {
        if self.as_mut().work().future().is_none() {
            polled_after_end(self.rest().definition);
        }
        let link = self.link();
        // SAFETY: this is the driver, and the block isn't being polled.
        unsafe { link.bring(body) };
    }

    /// Polls the block, with a body that was [brought](Frame::bring) or without. One that has unwound is dropped, and never polled again; one that is
    /// over stays until [`finish`](AsyncContext::finish), as a future that panics if it is polled.
    #[inline(never)]
    fn poll_block(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        let mut polling = Polling::begin(self, cx.waker());
        let Some(block) = polling.frame.as_mut().work().future() else {
            let definition = polling.frame.as_mut().rest().definition;
            polling.unwinding = false;
            drop(polling);
            polled_after_end(definition);
        };
        let polled = block.poll(cx);
        polling.unwinding = false;
        polled.map(K::result)
    }

    /// [`poll_block`](Frame::poll_block), inside of a span if somebody may want to see that.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_step(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        span: fn(&mut Spans, Definition) -> Step,
    ) -> Poll<Result<(), K::Error>> {
        if is_watched() {
            return self.poll_watched(cx, span);
        }
        self.poll_block(cx)
    }

    #[cold]
    fn poll_watched(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        span: fn(&mut Spans, Definition) -> Step,
    ) -> Poll<Result<(), K::Error>> {
        let rest = self.as_mut().rest();
        let span = span(&mut rest.spans, rest.definition);
        let _inside = span.enter();
        self.poll_block(cx)
    }
}

#[cold]
pub(crate) fn never_yielded(context: Definition) -> ! {
    panic!(
        "{context} returned successfully without yielding: every path through a context function that succeeds has to reach its `yield_resource!`"
    );
}

#[cold]
fn polled_after_end(context: Definition) -> ! {
    panic!("{context} was polled after its end");
}

/// The driver's poll of a block. On every way out of it, it takes the driver's pointers out of the slot; and it drops a block that has unwound.
struct Polling<'p, F, Fut, T, K> {
    frame: Pin<&'p mut Frame<F, Fut, T, K>>,
    unwinding: bool,
}

impl<'p, F, Fut, T, K> Polling<'p, F, Fut, T, K> {
    #[inline]
    fn begin(mut frame: Pin<&'p mut Frame<F, Fut, T, K>>, driver: &Waker) -> Self {
        let link = frame.as_mut().link();
        // SAFETY: this is the driver, and the block isn't being polled yet.
        unsafe { link.begin_poll(driver) };
        Polling {
            frame,
            unwinding: true,
        }
    }
}

impl<F, Fut, T, K> Drop for Polling<'_, F, Fut, T, K> {
    #[inline]
    fn drop(&mut self) {
        let link = self.frame.as_mut().link();
        // SAFETY: this is the driver, and the block's poll is over, or, if a coroutine library has suspended it half-way, will never go on.
        let in_body = unsafe { link.slot(Slot::end_poll) };
        if in_body {
            // Only switching stacks in the middle of a poll leads here; the body's frames would be freed under its feet.
            process::abort();
        }
        if self.unwinding {
            let context = self.frame.as_mut().rest().definition;
            unwound(&mut self.frame.as_mut().work(), context);
        }
    }
}

/// Drops a block that has unwound. A second panic would abort the process here, and there is nobody to return it to.
#[cold]
fn unwound(block: &mut dyn Clear, context: Definition) {
    if let Err(second) = clear(block) {
        crate::report::panic_in_drop(context, second);
    }
}

impl<F, Fut, T, K> context::Sealed for Frame<F, Fut, T, K> {}

#[diagnostic::do_not_recommend]
impl<F, Fut, T, K> AsyncContext for Frame<F, Fut, T, K>
where
    K: Kind,
    F: FnOnce(YieldOnce<'static, T, K::Suppression>) -> Fut,
    Fut: Future<Output = K::Returned>,
{
    type Resource = T;
    type Kind = K;
    type Seed = Before<F>;

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn grow(before: Before<F>) -> Self {
        Frame {
            work: Work::new(before.block),
            rest: Rest {
                shared: Shared::new(),
                definition: before.definition,
                polls_body: before.polls_body,
                spans: Spans::none(),
            },
            _kind: PhantomData,
        }
    }

    #[inline(always)]
    fn defined(seed: &Before<F>) -> Definition {
        seed.definition
    }

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.rest().definition
    }

    fn around(self: Pin<&mut Self>) -> Around {
        self.rest().spans.around()
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        self.rest().polls_body
    }

    fn poll_setup(
        mut self: Pin<&mut Self>,
        room: &mut Option<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<K::Error>>> {
        self.as_mut().start();
        let polled = self.as_mut().poll_step(cx, Spans::setup);
        let (link, definition) = (self.as_mut().link(), self.as_mut().rest().definition);
        // SAFETY: this is the driver, and the block isn't being polled.
        let set_up = ready!(unsafe { link.set_up(polled, room, definition) });
        self.rest().spans.end();
        Poll::Ready(set_up)
    }

    fn begin_body(self: Pin<&mut Self>) {
        let link = self.link();
        // SAFETY: this is the driver, and the block isn't being polled.
        unsafe { link.begin_body() };
    }

    fn poll_body(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, T>,
    ) -> Poll<Result<(), K::Error>> {
        self.as_mut().bring(body.erase());
        self.poll_block(cx)
    }

    fn resume(self: Pin<&mut Self>, room: &mut Option<T>, ending: Ending) {
        let link = self.link();
        // SAFETY: this is the driver, and the block isn't being polled.
        unsafe { link.resume(room, ending) };
    }

    fn poll_teardown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        let torn = ready!(self.as_mut().poll_step(cx, Spans::teardown));
        self.rest().spans.end();
        Poll::Ready(torn)
    }

    #[inline(never)]
    fn finish(mut self: Pin<&mut Self>) -> Option<Ending> {
        self.as_mut().work().clear();
        let link = self.link();
        // SAFETY: the block has just been dropped.
        unsafe { link.finish() }
    }
}
