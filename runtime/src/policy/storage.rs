//! Where a frame lives while `with` runs.

use super::Policy;
use crate::{
    AsyncContext, ExitKind, Interrupted,
    background::{Abandonment, Entered},
    cold::catch,
    frame::{AnyContext, Ending, Held, Seed},
    kind::Kind,
    report::{self, Failure},
    teardown::finish_alone,
};
use std::{panic::resume_unwind, pin::Pin, thread};

mod sealed {
    pub trait Sealed<C> {}
}

/// Where a frame lives while `with` runs: in a box ([`Boxed<C>`]), or in the `with` future itself (`C`).
pub trait Storage<C: AsyncContext>: sealed::Sealed<C> {
    #[doc(hidden)]
    fn store(seed: Seed<C>) -> Self;
    #[doc(hidden)]
    fn frame(self: Pin<&mut Self>) -> Pin<&mut C>;
    /// The caller is gone: leaves the frame to its policy.
    #[doc(hidden)]
    fn abandon<P: Policy<C>>(
        self: Pin<&mut Self>,
        entered: &Entered,
        origin: &mut Option<P::Origin>,
        at: &mut Option<Abandoned<C::Resource>>,
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
    fn store(seed: Seed<C>) -> Self {
        Boxed(Some(Box::pin(seed.grow())))
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
        entered: &Entered,
        origin: &mut Option<P::Origin>,
        at: &mut Option<Abandoned<C::Resource>>,
    ) {
        if let Some(frame) = self.0.take() {
            abandon::<C, P>(frame.into(), entered, origin, at);
        }
    }
}

impl<C: AsyncContext> sealed::Sealed<C> for C {}
impl<C: AsyncContext> Storage<C> for C {
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn store(seed: Seed<C>) -> Self {
        seed.grow()
    }

    fn frame(self: Pin<&mut Self>) -> Pin<&mut C> {
        self
    }

    fn abandon<P: Policy<C>>(
        mut self: Pin<&mut Self>,
        entered: &Entered,
        _origin: &mut Option<P::Origin>,
        at: &mut Option<Abandoned<C::Resource>>,
    ) {
        quietly(entered, &mut || {
            {
                // A resource such as a stack drops what the body has entered.
                let _lane = entered.body_lane().enter();
                drop(at.take());
            }
            let _lane = entered.in_frame();
            finish_alone(entered, &mut || self.as_mut().finish())
                .unwrap_or_else(|payload| resume_unwind(payload));
        });
        entered.leave_all();
    }
}

/// The caller is gone: leaves a frame that isn't stored in it to its policy.
//
// By reference, what is moved only at the end: each further move of it would have to be able to unwind.
pub(crate) fn abandon<C: AsyncContext, P: Policy<C>>(
    frame: Held<C>,
    entered: &Entered,
    origin: &mut Option<P::Origin>,
    at: &mut Option<Abandoned<C::Resource>>,
) {
    let mut frame = Some(frame);
    quietly(entered, &mut || {
        if at.is_none() {
            return;
        }
        let Some(mut frame) = frame.take() else {
            return;
        };
        let left = left::<_, C::Kind>(frame.as_mut(), at);
        let Some(origin) = origin.take() else {
            return;
        };
        let entered = *entered;
        match left {
            Some((exit, begun)) => {
                let frame = Abandonment {
                    frame,
                    entered,
                    exit,
                    begun,
                };
                P::take_over(frame, origin);
            }
            None => {
                P::interrupted(Interrupted::new(frame, entered), origin);
                entered.leave_parts();
            }
        }
    });
}

/// What the context of an abandoned frame is told of its body, and whether its teardown has begun; `None` in its setup.
fn left<T, K: Kind>(
    frame: Pin<&mut AnyContext<'_, T, K>>,
    at: &mut Option<Abandoned<T>>,
) -> Option<(ExitKind, bool)> {
    match at.take()? {
        Abandoned::Setup => None,
        Abandoned::Open(resource) => {
            frame.resume(resource, Ending::cancelled());
            Some((ExitKind::Cancelled, false))
        }
        Abandoned::Waiting(exit) => Some((exit, false)),
        Abandoned::Teardown(exit) => Some((exit, true)),
    }
}

/// Runs `abandon`, which runs destructors of the user's: if one panics while the thread is panicking already, that would abort the process.
fn quietly(entered: &Entered, abandon: &mut dyn FnMut()) {
    if !thread::panicking() {
        return abandon();
    }
    if let Err(payload) = catch(abandon) {
        report::failure(entered, ExitKind::Cancelled, Failure::Panic(&*payload));
        report::discard(payload);
    }
}
