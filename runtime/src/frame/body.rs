//! The body as the yield point sees it: without its type, and within reach only while the driver polls the block.

use crate::background::Below;
use std::{marker::PhantomData, mem, ptr::NonNull, task::Context};

/// A body that a yield point polls, and that has an `R`. After `cancel` or `evict` it is over.
///
/// A method that unwinds, because a destructor of the user's does, leaves the body as it was or over, so that the yield point's destructor may call it again.
pub(crate) trait BodyPoll<R> {
    /// Polls the body; `true` once it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool;
    /// Drops the body and its resource.
    fn cancel(&mut self);
    /// Drops the body and returns its resource.
    fn evict(&mut self) -> Option<R>;
    /// The rollbacks that the body has started.
    fn below(&self) -> Below;
    /// Whether an evicted body still has something to tear down. Its driver does so before it polls the context again.
    fn lingers(&self) -> bool;
}

/// A body that may be polled at the yield point: on any thread if it is `Send`, else on its home, the thread that it came from.
pub struct Body<'a, R> {
    body: &'a mut dyn BodyPoll<R>,
    home: Option<Thread>,
    // Not `Send`: a local body could be sent away from its home.
    _not_send: PhantomData<*mut ()>,
}

impl<'a, R> Body<'a, R> {
    #[inline]
    pub(crate) fn new<W: BodyPoll<R>>(body: &'a mut W, threads: Threads<W>) -> Self {
        Body {
            body,
            home: threads.home,
            _not_send: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn local(body: &'a mut dyn BodyPoll<R>) -> Self {
        Body {
            body,
            home: Some(Thread::current()),
            _not_send: PhantomData,
        }
    }

    /// Polls the body directly, where no frame needs a pointer to it.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.body.poll(cx)
    }

    /// The same body, for a shorter time.
    #[inline]
    pub(crate) fn reborrow(&mut self) -> Body<'_, R> {
        Body {
            body: self.body,
            home: self.home,
            _not_send: PhantomData,
        }
    }

    /// Drops the body and its resource.
    pub(crate) fn cancel(&mut self) {
        self.body.cancel();
    }

    /// Drops the body and returns its resource.
    #[inline]
    pub(crate) fn evict(&mut self) -> Option<R> {
        self.body.evict()
    }

    /// The rollbacks that the body has started.
    pub(crate) fn below(&self) -> Below {
        self.body.below()
    }

    /// Whether an evicted body still has something to tear down.
    pub(crate) fn lingers(&self) -> bool {
        self.body.lingers()
    }

    /// Forgets how long the body lives. The frame clears the pointer before the body's borrow ends.
    #[inline]
    pub(super) fn erase(self) -> BodyPtr<R> {
        let body = NonNull::from(self.body);
        BodyPtr {
            // SAFETY: only the lifetime of the trait object changes. Whoever uses the pointer answers for that.
            body: unsafe {
                mem::transmute::<NonNull<dyn BodyPoll<R> + '_>, NonNull<dyn BodyPoll<R> + 'static>>(
                    body,
                )
            },
            home: self.home,
        }
    }
}

/// On which threads a `W` may be polled.
//
// A value of its own, so that a `Body` is put together where it is used, and not copied to there.
pub(crate) struct Threads<W> {
    home: Option<Thread>,
    _of: PhantomData<fn(W)>,
}

impl<W> Threads<W> {
    /// On any thread: a `W` may be sent there.
    pub(crate) fn any() -> Self
    where
        W: Send,
    {
        Threads {
            home: None,
            _of: PhantomData,
        }
    }

    /// On this thread only.
    pub(crate) fn this() -> Self {
        Threads {
            home: Some(Thread::current()),
            _of: PhantomData,
        }
    }
}

/// A [`Body`] without its lifetime: good for one poll of the block by the driver.
pub(super) struct BodyPtr<R> {
    body: NonNull<dyn BodyPoll<R>>,
    home: Option<Thread>,
}

impl<R> BodyPtr<R> {
    /// Whether this thread may touch the body.
    #[inline]
    pub(super) fn is_at_home(&self) -> bool {
        self.home.is_none_or(|home| home == Thread::current())
    }

    /// Polls the body.
    ///
    /// # Safety
    /// The driver's poll for which this pointer was set is under way, nobody else uses the body, and this thread [may](BodyPtr::is_at_home).
    #[inline]
    pub(super) unsafe fn poll(&self, cx: &mut Context<'_>) {
        // SAFETY: by this function's contract, the body is alive, and nobody else uses it.
        unsafe { &mut *self.body.as_ptr() }.poll(cx);
    }

    /// Drops the body.
    ///
    /// # Safety
    /// As for [`poll`](BodyPtr::poll).
    #[inline]
    pub(super) unsafe fn cancel(&self) {
        // SAFETY: as in `poll`.
        unsafe { &mut *self.body.as_ptr() }.cancel();
    }
}

/// A thread, told apart from every other that is alive by the address of a thread-local variable. That is cheaper than a `ThreadId`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Thread(NonNull<u8>);

impl Thread {
    #[inline]
    fn current() -> Self {
        thread_local! {
            static HERE: u8 = const { 0 };
        }
        Thread(HERE.with(|here| NonNull::from(here)))
    }
}
