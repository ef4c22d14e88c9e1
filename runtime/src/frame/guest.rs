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

/// A closure that takes a resource, and then the future that it returns. The resource goes home when that future is over or dropped. `M` converts what the
/// future returns.
//
// The future's type is a parameter, and isn't looked up in `F`'s: a field whose type the compiler has to look up costs it one more level of the user's
// `recursion_limit`.
pub(crate) struct Guest<'h, 'b, R, F, Fut, M> {
    work: Work<F, Fut>,
    /// The future borrows from this. It goes home when the future is over, and in [`leave`](Guest::leave). A guest that is dropped otherwise never sends it home.
    lent: ByHand<Lent<'h, R>>,
    made: M,
    // The closure is called with one of these.
    _reference: PhantomData<fn(&'b mut R)>,
}

/// The parts of a [`Guest`].
struct GuestParts<'g, 'h, R, Fut, F, M> {
    work: Pin<&'g mut Work<F, Fut>>,
    lent: &'g mut Option<Lent<'h, R>>,
    made: &'g M,
}

/// A body that hasn't been called yet, and has no resource.
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
        // SAFETY: only the work is pinned structurally: it is never moved, a `Guest` has no `Drop`, and it is `Unpin` only if the work is.
        let (work, lent, made) = unsafe {
            let this = self.get_unchecked_mut();
            let work = Pin::new_unchecked(&mut this.work);
            (work, &mut this.lent, &this.made)
        };
        GuestParts { work, lent, made }
    }

    /// Calls the closure once it is `given` a resource, and polls the future. When that is over, it is dropped, what it has come to is put into `came`, and this
    /// returns `true`. Panics of the closure and of the future, also in its drop, are caught and are what it has come to.
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
            // SAFETY: `Lent::resource` asks that the reference is gone before `lent` is, which isn't used meanwhile. By the bound of `guest`, which alone makes a
            // `Guest`, the closure takes a reference of any lifetime, so that only its future can keep it (the `given` module says more of this). The future is
            // dropped before `lent` is, in `poll` and in `leave`; dropped otherwise, a guest forgets `lent`.
            work.start(|body| body.call(unsafe { lent.resource() }));
        }
    }

    /// Drops the closure or its future, and after that sends the resource home, also if the drop unwinds.
    pub(crate) fn leave(self: Pin<&mut Self>) {
        let GuestParts { mut work, lent, .. } = self.parts();
        let _lent = lent.take();
        work.clear();
    }
}
