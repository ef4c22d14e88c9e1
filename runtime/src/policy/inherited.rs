//! The policy that a context has inside.

use super::{Boxed, Policy};
use crate::{AsyncContext, BoxContext, Rollback, background::Abandonment, kind::Kind};

/// The policy of a [boxed](crate::ContextManager::boxed) context: the one that it had before.
pub enum Inherited {}

/// A context that knows what becomes of itself.
pub trait RollsItselfBack: AsyncContext + Sized {
    #[doc(hidden)]
    fn roll_back(frame: Abandonment<Self>);
}

impl<T, K: Kind> RollsItselfBack for BoxContext<'_, T, K> {
    fn roll_back(frame: Abandonment<Self>) {
        BoxContext::roll_back(frame);
    }
}

impl<C: RollsItselfBack> Policy<C> for Inherited {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.discard();
    }

    fn take_over(frame: Abandonment<C>, (): ()) {
        C::roll_back(frame);
    }
}
