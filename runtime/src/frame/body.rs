//! The body as the yield point sees it: erased, and reachable only while the driver polls the block.

use crate::background::Below;
use std::{marker::PhantomData, mem, ptr::NonNull, task::Context};

/// A body that a yield point polls, and that has an `R`. It is finished after `cancel` and `evict`. A method that unwinds, as one that runs a user's destructor may, leaves
/// it in one of these states, and the yield point to its destructor.
pub(crate) trait BodyPoll<R> {
    /// Polls the body; `true` once it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool;
    /// Drops the body, and the resource that it had.
    fn cancel(&mut self);
    /// Drops the body, and gives back the resource that it had.
    fn evict(&mut self) -> Option<R>;
    /// The rollbacks that the body has started.
    fn below(&self) -> Below;
    /// Whether an evicted body still has something to tear down, which its driver does before it polls the context again.
    fn lingers(&self) -> bool;
}

/// A body that may be polled at the yield point: a `Send` one on any thread, any other on the thread that it came from.
pub struct Body<'a, R> {
    body: &'a mut dyn BodyPoll<R>,
    home: Option<Thread>,
    // A local body may not be sent off with its home.
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

    /// Polls the body where a frame needs no pointer to it.
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

    /// Drops the body, and the resource that it had.
    pub(crate) fn cancel(&mut self) {
        self.body.cancel();
    }

    /// Drops the body, and gives back the resource that it had.
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

    /// Forgets how long the body lives: the frame clears the pointer before that ends.
    #[inline]
    pub(super) fn erase(self) -> BodyPtr<R> {
        let body = NonNull::from(self.body);
        BodyPtr {
            // SAFETY: only the lifetime of the trait object changes.
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
// Apart from the body, whose type alone says it, so that a `Body` is put together where it is used and not copied there.
pub(crate) struct Threads<W> {
    home: Option<Thread>,
    _of: PhantomData<fn(W)>,
}

impl<W> Threads<W> {
    /// On any, since it may be sent there.
    pub(crate) fn any() -> Self
    where
        W: Send,
    {
        Threads {
            home: None,
            _of: PhantomData,
        }
    }

    /// On this one, where it is.
    pub(crate) fn this() -> Self {
        Threads {
            home: Some(Thread::current()),
            _of: PhantomData,
        }
    }
}

/// A [`Body`] whose lifetime is the driver's poll.
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
    /// The driver's poll that set this pointer is under way, nobody else uses it, and this thread [may](BodyPtr::is_at_home).
    #[inline]
    pub(super) unsafe fn poll(&self, cx: &mut Context<'_>) {
        // SAFETY: the contract is the caller's.
        unsafe { &mut *self.body.as_ptr() }.poll(cx);
    }

    /// Drops the body.
    ///
    /// # Safety
    /// As for [`poll`](BodyPtr::poll).
    #[inline]
    pub(super) unsafe fn cancel(&self) {
        // SAFETY: the contract is the caller's.
        unsafe { &mut *self.body.as_ptr() }.cancel();
    }
}

/// A thread, told apart from every other that is alive, by the address of one of its variables. Cheaper than a `ThreadId`.
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
