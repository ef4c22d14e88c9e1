//! Where a frame lives while `with` runs.

use crate::{
    AsyncContext,
    background::Entered,
    frame::{Held, Lodging, Seed},
};
use std::pin::Pin;

mod sealed {
    pub trait Sealed<C> {}
}

/// Where a frame lives while `with` runs: in a box ([`Boxed<C>`]), or in the `with` future itself (`C`).
pub trait Storage<C: AsyncContext>: sealed::Sealed<C> {
    #[doc(hidden)]
    fn store(seed: Seed<C>) -> Self;
    #[doc(hidden)]
    fn frame(self: Pin<&mut Self>) -> Pin<&mut C>;
    /// The frame of a caller that is gone, if it can be taken over.
    #[doc(hidden)]
    fn take(self: Pin<&mut Self>, entered: &Entered) -> Option<Held<C>>;
}

/// A frame in a box, which a policy can take over.
pub struct Boxed<C>(Option<Lodging<C>>);

impl<C: AsyncContext> sealed::Sealed<C> for Boxed<C> {}
impl<C: AsyncContext> Storage<C> for Boxed<C> {
    fn store(seed: Seed<C>) -> Self {
        Boxed(Some(Lodging::new(seed)))
    }

    fn frame(self: Pin<&mut Self>) -> Pin<&mut C> {
        match &mut self.get_mut().0 {
            Some(lodging) => lodging.frame(),
            None => gone(),
        }
    }

    fn take(self: Pin<&mut Self>, entered: &Entered) -> Option<Held<C>> {
        let lodging = self.get_mut().0.take();
        lodging.map(|lodging| lodging.into_held(*entered))
    }
}

#[cold]
fn gone() -> ! {
    panic!("the frame is taken out only when the guard or `with` future is dropped");
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

    fn take(self: Pin<&mut Self>, _: &Entered) -> Option<Held<C>> {
        None
    }
}
