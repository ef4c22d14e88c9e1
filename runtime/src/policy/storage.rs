//! Where a frame lives while `with` runs.

use super::Policy;
use crate::{
    AsyncContext, ExitKind, Interrupted,
    background::{Abandonment, Entered},
    frame::{Ending, Held},
    report::{self, Failure},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    thread,
};

mod sealed {
    pub trait Sealed<C> {}
}

/// Where a frame lives while `with` runs: in a box ([`Boxed<C>`]), or in the `with` future itself (`C`).
pub trait Storage<C: AsyncContext>: sealed::Sealed<C> {
    #[doc(hidden)]
    fn store(frame: C) -> Self;
    #[doc(hidden)]
    fn frame(self: Pin<&mut Self>) -> Pin<&mut C>;
    /// The caller is gone: leaves the frame to its policy.
    #[doc(hidden)]
    fn abandon<P: Policy<C>>(
        self: Pin<&mut Self>,
        entered: Entered,
        origin: P::Origin,
        at: Abandoned<C::Resource>,
    );
}

/// How far a context had come when its caller was gone.
#[doc(hidden)]
pub enum Abandoned<R> {
    Setup,
    Open(R),
    /// The body is over, the teardown hasn't begun.
    Waiting(ExitKind),
    Teardown(ExitKind),
}

/// A frame in a box, which a policy can take over.
pub struct Boxed<C>(Option<Pin<Box<C>>>);

// The frame is pinned in its box.
impl<C> Unpin for Boxed<C> {}

impl<C: AsyncContext> sealed::Sealed<C> for Boxed<C> {}
impl<C: AsyncContext> Storage<C> for Boxed<C> {
    fn store(frame: C) -> Self {
        Boxed(Some(Box::pin(frame)))
    }

    fn frame(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.get_mut()
            .0
            .as_mut()
            .expect("the frame is taken out only when the guard or `with` future is dropped")
            .as_mut()
    }

    fn abandon<P: Policy<C>>(
        mut self: Pin<&mut Self>,
        entered: Entered,
        origin: P::Origin,
        at: Abandoned<C::Resource>,
    ) {
        let Some(frame) = self.0.take() else {
            return;
        };
        abandon::<C, P>(frame.into(), entered, origin, at);
    }
}

impl<C: AsyncContext> sealed::Sealed<C> for C {}
impl<C: AsyncContext> Storage<C> for C {
    fn store(frame: C) -> Self {
        frame
    }

    fn frame(self: Pin<&mut Self>) -> Pin<&mut C> {
        self
    }

    fn abandon<P: Policy<C>>(
        self: Pin<&mut Self>,
        entered: Entered,
        _origin: P::Origin,
        at: Abandoned<C::Resource>,
    ) {
        quietly(&entered, move |entered| {
            {
                // A resource such as a stack drops what the body has entered.
                let _lane = entered.body_lane().enter();
                drop(at);
            }
            let _lane = entered.in_frame();
            drop(self.finish());
        });
        entered.leave_all();
    }
}

/// The caller is gone: leaves a frame that isn't stored in it to its policy.
pub(crate) fn abandon<C: AsyncContext, P: Policy<C>>(
    mut frame: Held<C>,
    entered: Entered,
    origin: P::Origin,
    at: Abandoned<C::Resource>,
) {
    quietly(&entered, move |entered| {
        let (exit, begun) = match at {
            Abandoned::Setup => {
                P::interrupted(Interrupted::new(frame, entered), origin);
                return entered.leave_parts();
            }
            Abandoned::Open(resource) => {
                frame.as_mut().resume(resource, Ending::cancelled());
                (ExitKind::Cancelled, false)
            }
            Abandoned::Waiting(exit) => (exit, false),
            Abandoned::Teardown(exit) => (exit, true),
        };
        let frame = Abandonment {
            frame,
            entered,
            exit,
            begun,
        };
        P::take_over(frame, origin);
    });
}

/// Runs `abandon`, which runs destructors of the user's: if one panics while the thread is panicking already, that would abort the process.
fn quietly(entered: &Entered, abandon: impl FnOnce(Entered)) {
    let owned = *entered;
    if !thread::panicking() {
        return abandon(owned);
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| abandon(owned))) {
        report::failure(entered, ExitKind::Cancelled, Failure::Panic(&*payload));
        report::discard(payload);
    }
}
