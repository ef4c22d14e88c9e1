//! A body of closure style, with the resource that it borrows.

use super::{Lent, work::Work};
use crate::{
    cold::{ByHand, Clear},
    manager::AsyncBody,
    session::poll_caught,
};
use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

/// A closure that takes a resource, and then the future of that. The resource goes home when that is over or dropped. `M` makes what is wanted of what
/// the future returns.
//
// The future's type is a parameter, and not looked up in `F`'s: a field of a type that has yet to be looked up takes the compiler one more level of its
// `recursion_limit`.
pub(crate) struct Guest<'h, 'b, R, F, Fut, M> {
    work: Work<F, Fut>,
    /// The future borrows this. It goes home when that is over, and in [`leave`](Guest::leave); without that, never.
    lent: ByHand<Lent<'h, R>>,
    made: M,
    // What the closure is called with.
    _reference: PhantomData<fn(&'b mut R)>,
}

/// The parts of a [`Guest`].
struct GuestParts<'g, 'h, R, Fut, F, M> {
    work: Pin<&'g mut Work<F, Fut>>,
    lent: &'g mut Option<Lent<'h, R>>,
    made: &'g M,
}

/// A body that hasn't been called, and has no resource yet.
#[inline]
pub(crate) fn guest<'h, 'b, R, F, Fut, O, M>(body: F, made: M) -> Guest<'h, 'b, R, F, Fut, M>
where
    F: AsyncFnOnce(&mut R) -> O + AsyncBody<&'b mut R, Fut>,
    Fut: Future<Output = O>,
{
    Guest {
        work: Work::new(body),
        lent: ByHand::none(),
        made,
        _reference: PhantomData,
    }
}

impl<'h, 'b, R, F, Fut, M> Guest<'h, 'b, R, F, Fut, M> {
    #[inline]
    fn parts(self: Pin<&mut Self>) -> GuestParts<'_, 'h, R, Fut, F, M> {
        // SAFETY: structural pinning of the work alone, which is never moved. A `Guest` has no `Drop`, and is `Unpin` only if the work is.
        let (work, lent, made) = unsafe {
            let this = self.get_unchecked_mut();
            let work = Pin::new_unchecked(&mut this.work);
            (work, &mut this.lent, &this.made)
        };
        GuestParts { work, lent, made }
    }

    /// Calls the closure, once there is a resource for it, which may do something before it returns its future, and polls that to its end and drops it; catches the panics of all of
    /// these. What they have come to is put into `came` then; and it is `true`.
    #[inline]
    pub(crate) fn poll<X>(
        self: Pin<&mut Self>,
        given: Option<Lent<'h, R>>,
        cx: &mut Context<'_>,
        came: &mut ByHand<thread::Result<X>>,
    ) -> bool
    where
        F: AsyncBody<&'b mut R, Fut>,
        Fut: Future,
        M: Fn(Fut::Output) -> X,
    {
        let GuestParts {
            mut work,
            lent,
            made,
        } = self.parts();
        let is_lent = Lent::hand_over(given, lent);
        let start = |work: &mut Pin<&mut Work<_, _>>| {
            if is_lent {
                Self::start(work.as_mut(), lent);
            }
        };
        let Poll::Ready(returned) = poll_caught(&mut work, start, cx) else {
            return false;
        };
        *lent = None;
        came.put(returned.map(made));
        true
    }

    /// Calls the closure, if it hasn't been called.
    #[inline]
    fn start(work: Pin<&mut Work<F, Fut>>, lent: &mut Option<Lent<'h, R>>)
    where
        F: AsyncBody<&'b mut R, Fut>,
    {
        if let Some(lent) = lent {
            // SAFETY: see `Lent::resource`. By the bound of `guest`, which alone makes a `Guest`, the closure is one for every lifetime of the reference (of which the `given` module says more), so
            // all that can keep it is its future; that is dropped before `lent` is, in `poll` and in `leave`.
            work.start(|body| body.call(unsafe { lent.resource() }));
        }
    }

    /// Drops the closure or its future, and sends the resource home, also if that unwinds.
    pub(crate) fn leave(self: Pin<&mut Self>) {
        let GuestParts { mut work, lent, .. } = self.parts();
        let _lent = lent.take();
        work.clear();
    }
}
