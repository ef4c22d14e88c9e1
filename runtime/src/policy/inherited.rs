//! The policy that a context has inside.

use super::{Boxed, Policy};
use crate::{
    AsyncContext, Rollback,
    background::{Abandonment, Entered, Left},
};
use std::pin::Pin;

/// The policy of a [boxed](crate::ContextManager::boxed) context: the one that it had before, which is inside it.
pub enum Inherited {}

mod sealed {
    use super::{Entered, Left, Pin};

    /// A context that has its policy inside.
    pub trait RollsBack {
        /// Its caller is gone, when it had come so far.
        fn roll_back(self: Pin<&mut Self>, entered: Entered, left: Left);
    }
}
pub(crate) use sealed::RollsBack;

/// A context that has its policy inside: a boxed one, also with another error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a boxed context, so it has no policy to inherit",
    label = "not a boxed context"
)]
pub trait RollsItselfBack: AsyncContext + RollsBack + Sized {}

impl<C: AsyncContext + RollsBack> RollsItselfBack for C {}

impl<C: RollsItselfBack> Policy<C> for Inherited {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.discard();
    }

    fn take_over(frame: Abandonment<C>, (): ()) {
        let (mut frame, entered, left) = frame.into_parts();
        frame.as_mut().roll_back(entered, left);
    }
}
