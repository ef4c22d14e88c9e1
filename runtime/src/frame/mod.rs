//! The frame: a context function that is suspended at its yield point.
//!
//! A frame is the user's `async` block and, beside it, a [`Shared`] part that the block's one yield point and its driver both reach. The driver polls the
//! block until it yields, and takes the resource. Later it puts the resource back, says how the body ended, and polls the block to its end.
//!
//! In closure and block style, the yield point may lie inside a future that the block makes, such as a timeout. Then the driver lends the yield point a
//! pointer to the body for the length of each poll, and the yield point polls the body through it. Beside any other block, the driver polls the body itself.
//!
//! # What the unsafe code rests on
//!
//! This is one of the two modules with unsafe code. Its arguments cite these points by their numbers:
//!
//! 1. Nothing leaves the block. It is made from a [`YieldOnce`] whose brand `'y` is any lifetime, so that no yielder, [`Lend`] or [`Exit`](crate::Exit) can get
//!    out. A `YieldOnce` has no public constructor, isn't `Clone`, and is used up by its one `lend`.
//! 2. The block goes first. A frame is pinned before its first poll. `Shared` is declared after the block, so it is dropped after it, and outlives it.
//! 3. `Shared` never points into a `Lend`, which may move and be forgotten. Its pointers to the body and to the driver's waker hold for one poll of the block:
//!    the driver sets them right before it, and they are cleared on every way out of it, by [`Polling`] where the poll unwinds.
//! 4. `Shared` has one user at a time: the driver, or the block that the driver makes, polls or drops, on the driver's thread or on one that it waits for
//!    meanwhile. Within the block, the one yielder or `Lend` that has the pointer is used through `&mut` or by value. No `&mut Slot` is held while code of the
//!    user's runs.
//! 5. No shared reference is made to a frame. Its block may borrow from itself, and such a reference would count as a read of all of it. So what is asked of a
//!    frame is asked through a `Pin<&mut _>`. What an owner shares lies beside its frame.
//!
//! The other types with unsafe code, and what it does there:
//!
//! - [`Work`] is a future in one place with what it is made from: the pin projection to the future.
//! - [`Home`] is where a body's resource stays in closure and block style: an exclusive borrow that is given out and comes back. There is one key to a home,
//!   and at most one [`Lent`].
//! - A [`Guest`] is a body with its `Lent`: the closure's future borrows the resource for as long as the guest keeps the `Lent`. A
//!   [`Given`](given::Given) is the future of a closure that was lent or told something else. In both, the closure is called with a lifetime that is longer
//!   than what is known here.
//! - [`Lodging`] and [`House`] own a frame in a box with what is known of its context, by a raw pointer: what a box does, pin projections, and writing into the
//!   box in place. [`Allocated`](heap::Allocated) is the memory.
//! - [`Held`] owns such a box by a pointer to its first field. It may forget the frame's type, but not its lifetime, nor whether it is `Send`. Its steps are
//!   those of the type that the frame has.
//! - An [`Exclusive`] is `Sync`, since a shared one gives nothing.

mod body;
mod context;
mod ending;
mod exclusive;
mod given;
mod guest;
mod heap;
mod held;
mod home;
mod housed;
mod lodged;
mod seed;
mod shared;
mod work;
mod yielder;

pub use body::Body;
pub(crate) use body::{BodyPoll, Threads};
pub use context::AsyncContext;
pub(crate) use context::{AnyContext, ErrorOf, NotEntered, Sealed, Swallowed, hands_on};
pub use ending::Ending;
pub(crate) use ending::{Payload, Standing};
pub(crate) use exclusive::Exclusive;
pub(crate) use given::{lend, tell, tell_with};
pub(crate) use guest::{Guest, guest};
pub(crate) use held::{AnyFrame, FrameMut, Held, SaysOf};
pub(crate) use home::{Home, HomeKey, Lent};
pub(crate) use housed::{House, Housed, HousedParts};
pub(crate) use lodged::Lodging;
pub(crate) use seed::{Seed, is_its_own_seed};
pub(crate) use yielder::YieldFn;
pub use yielder::{Lend, YieldOnce};

use crate::{
    cold::{Clear, clear},
    kind::Kind,
    site::Definition,
    trace::{OuterSpan, Spans, Step, is_watched},
};
use shared::{Link, Shared, Slot};
use std::{
    marker::PhantomData,
    pin::Pin,
    process,
    task::{Context, Poll, Waker, ready},
};
use work::Work;

/// A context function, before, at and after its yield point.
pub struct Frame<F, Fut, T, K> {
    // Dropped in this order: the block writes to what it shares (point 2).
    work: Work<F, Fut>,
    rest: Rest<T>,
    _kind: PhantomData<fn() -> K>,
}

/// Everything in a [`Frame`] but its work.
struct Rest<T> {
    shared: Shared<T>,
    definition: Definition,
    polls_body: bool,
    spans: Spans,
}

// SAFETY: a frame owns the closure, the block, resources, a waker, an ending and spans, all of which are `Send`. Its raw pointers are set only while it is
// polled, when it can't be moved to another thread.
unsafe impl<F: Send, Fut: Send, T: Send, K> Send for Frame<F, Fut, T, K> {}
// SAFETY: nothing in a frame is read through a shared reference to it.
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

/// A context that runs `block`, which yields a `T`. `polls_body` says that its yield point may lie inside a future that it makes.
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
    // Not by a shared reference to the whole (point 5).
    #[inline]
    fn rest(self: Pin<&mut Self>) -> &mut Rest<T> {
        // SAFETY: the block isn't reached from here. In this part, only `shared` has to stay where it is, and that gives no more than a pointer to itself.
        unsafe { &mut self.get_unchecked_mut().rest }
    }

    #[inline]
    fn link(self: Pin<&mut Self>) -> Link<T> {
        self.rest().shared.link()
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
            // SAFETY: the link is to what this frame shares with its block, and the block was type-checked for every `'y`.
            init(unsafe { YieldOnce::new(link) })
        });
    }

    /// Polls the block. A body for its yield point was [brought](Link::bring) before, if there is one.
    ///
    /// If the block unwinds, the body is taken away again, and the block is dropped: it is never polled after that. A block that is over stays until
    /// [`finish`](AsyncContext::finish).
    //
    // The body isn't an argument: it would be written in one width and read again in another, and the read would have to wait for the write.
    #[inline(never)]
    fn poll_block(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        let mut polling = Polling::begin(self, cx.waker());
        let Some(block) = polling.frame.as_mut().work().future() else {
            let definition = polling.frame.as_mut().rest().definition;
            // The panic below comes from no block: none is left to be dropped.
            polling.unwinding = false;
            take_away(polling.frame.as_mut().link());
            drop(polling);
            polled_after_end(definition);
        };
        let polled = block.poll(cx);
        polling.unwinding = false;
        polled.map(K::result)
    }

    /// [`poll_block`](Frame::poll_block), inside a span if anybody listens to spans.
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

/// After a poll of the block: takes the pointer to the body, which the driver had brought for that poll, out of the slot.
#[inline]
fn take_away<T>(link: Link<T>) {
    // SAFETY: this is the driver. The block's poll is over; or a coroutine library has suspended it half-way, and it will never go on, by the abort below.
    let in_body = unsafe { link.slot(Slot::take_away) };
    if in_body {
        // The block's poll has returned, and the poll of the body inside it hasn't. This takes a library that switches stacks in the middle of a poll. Were
        // that poll to go on later, it would use a body that is freed by then.
        process::abort();
    }
}

/// The driver's poll of a block. On every way out of it, the pointer to the driver's waker is taken out of the slot, and a block that has unwound is dropped.
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
        // SAFETY: this is the driver, and the block's poll is over, or suspended half-way as in `take_away`.
        unsafe { link.slot(Slot::end_poll) };
        if self.unwinding {
            // Before the block is dropped: a yield point in it must not find the body any more.
            take_away(link);
            let context = self.frame.as_mut().rest().definition;
            unwound(&mut self.frame.as_mut().work(), context);
        }
    }
}

/// Drops a block that has unwound. A second panic would abort the process, so it is caught and, having nobody to go to, reported.
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

    fn outer_span(self: Pin<&mut Self>) -> OuterSpan {
        self.rest().spans.outer_span()
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
        let link = self.as_mut().link();
        // SAFETY: this is the driver, and the block isn't being polled.
        unsafe { link.bring(body.erase()) };
        let polled = self.poll_block(cx);
        take_away(link);
        polled
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

    #[inline]
    fn finish(mut self: Pin<&mut Self>) -> Option<Ending> {
        self.as_mut().work().clear();
        let link = self.link();
        // SAFETY: the block has just been dropped.
        unsafe { link.finish() }
    }
}
