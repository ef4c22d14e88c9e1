//! The yielder and the yield point: what the user's block has of its frame. The numbered points are those of the [frame module](super).

use super::shared::{Link, Slot};
use crate::{Exit, cold::drop_waker, kind::Strict};
use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// The right to yield once, held by the body of a context function.
///
/// Branded: `'y` is any lifetime, so that a yielder can't leave the block it was made for. [`yield_resource!`](crate::yield_resource) uses it up.
#[must_use = "a context function yields its resource once: `yield_resource!(resource)`"]
pub struct YieldOnce<'y, T, S = Strict> {
    link: Link<T>,
    _brand: PhantomData<(fn(&'y ()) -> &'y (), fn(T) -> T, fn(S) -> S)>,
}

// SAFETY: a yielder moves a `T` to and from the driver, perhaps on another thread, which `T: Send` allows. The body that a `Lend` polls is either `Send`, or its
// thread is compared with the current one first.
unsafe impl<T: Send, S> Send for YieldOnce<'_, T, S> {}
// SAFETY: nothing can be done with a `&YieldOnce` or a `&Lend`.
unsafe impl<T, S> Sync for YieldOnce<'_, T, S> {}

impl<'y, T, S> YieldOnce<'y, T, S> {
    /// The yielder of a block.
    ///
    /// # Safety
    /// It is given to the one block that shares what `link` points to. The block was type-checked for every `'y`, so that it can't assume any.
    #[inline]
    pub(super) unsafe fn new(link: Link<T>) -> Self {
        YieldOnce {
            link,
            _brand: PhantomData,
        }
    }

    /// Yields: the future hands `resource` to the caller, and comes back with it and with how the body ended.
    #[inline]
    pub fn lend(self, resource: T) -> Lend<'y, T, S> {
        // SAFETY: a yielder can't leave its block (point 1). So the block is being made, polled or dropped, and this becomes its yield point.
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
        // SAFETY: the block is being made or polled, and this is its yield point.
        unsafe { self.yielder.link.slot(Slot::open) };
    }

    /// Polls the body, if the driver has brought one.
    ///
    /// # Panics
    /// If this isn't the body's thread.
    fn poll_body(&mut self, cx: &mut Context<'_>) {
        let link = self.yielder.link;
        // SAFETY: the block is being made or polled, and this is its yield point. (The pointer is taken out, so that a body can't be polled from inside itself.)
        let Some(body) = (unsafe { link.slot(Slot::take_body) }) else {
            return;
        };
        if !body.is_at_home() {
            // Put back: when this yield point is dropped, that may be on the body's thread.
            // SAFETY: as above.
            unsafe { link.slot(|slot| slot.put_body(body)) };
            panic!(
                "a yield point was polled on another thread than its body: with `with_local`, in a block and in a tuple, it has to stay on the thread that polls the whole"
            );
        }
        // SAFETY: as above.
        unsafe { link.slot(|slot| slot.set_in_body(true)) };
        let polled = Polled(link);
        // SAFETY: the pointer was in the slot, so the driver is in the poll for which it was set, and the body is alive (point 3). It was taken out, so nobody else
        // uses the body. And this thread may poll it, as just asked.
        unsafe { body.poll(cx) };
        drop(polled);
        // Put back also when the body is over: if this yield point is dropped before the driver hears of that, it has to drop the resource through the body.
        // SAFETY: as above. The driver is still in that poll, after which it clears the pointer.
        unsafe { link.slot(|slot| slot.put_body(body)) };
    }

    #[inline]
    fn take_back(&mut self) -> Option<(T, Exit<'y, S>)> {
        let link = self.yielder.link;
        // SAFETY: the block is being made or polled, and this is its yield point.
        let resource = unsafe { link.slot(Slot::come_back) }?;
        self.state = LendState::Done;
        // SAFETY: as above. The ending is taken out after the block is dropped, and no `'y` leaves the block (point 1).
        let ending = unsafe { link.ending::<'y>() }?;
        Some((resource, Exit::view(ending)))
    }

    /// Keeps the yield point's waker, unless it is that of the driver, which polls the block anyway.
    #[inline]
    fn register(&self, waker: &Waker) {
        let link = self.yielder.link;
        // SAFETY: the block is being made or polled, and this is its yield point. If there is a pointer to the driver's waker, the driver is in its poll of the block
        // (point 3). `will_wake`, which compares pointers, runs no code of the user's.
        let needed = unsafe { link.slot(|slot| slot.needs(waker)) };
        if !needed {
            return;
        }
        let waker = waker.clone();
        // SAFETY: as above.
        let old = unsafe { link.slot(|slot| slot.keep_waker(waker)) };
        drop_waker(old);
    }
}

/// Notes that the yield point is out of the body's poll, also if that unwinds.
struct Polled<T>(Link<T>);

impl<T> Drop for Polled<T> {
    fn drop(&mut self) {
        // SAFETY: the yield point makes and drops this while the block is polled.
        unsafe { self.0.slot(|slot| slot.set_in_body(false)) };
    }
}

impl<'y, T, S> Future for Lend<'y, T, S> {
    type Output = (T, Exit<'y, S>);

    // Inline: the output would be written in one width and read again in another, and the read would wait for the write.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.state {
            LendState::Fresh => self.hand_over(),
            LendState::Lent => {
                // The driver says between its polls that the body is over. So one look, before the body is polled, is enough.
                if let Some(back) = self.take_back() {
                    return Poll::Ready(back);
                }
                self.poll_body(cx);
            }
            LendState::Done => panic!("a yield point was polled after its end"),
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
        // SAFETY: a `Lend` can't leave its block (point 1), so the block is being made, polled or dropped.
        let resource = unsafe { self.yielder.link.slot(Slot::take_resource) };
        drop(resource);
    }

    /// Dropped while the body runs.
    #[cold]
    fn close(&mut self) {
        let link = self.yielder.link;
        // SAFETY: as in `keep_back`.
        let body = unsafe { link.slot(Slot::take_body_at_home) };
        if let Some(body) = body {
            // SAFETY: as in `poll_body`: the body is alive, was taken out, and is at home on this thread.
            unsafe { body.cancel() };
        }
        // SAFETY: as above.
        let (resource, waker) = unsafe { link.slot(Slot::close) };
        drop_waker(waker);
        drop(resource);
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
