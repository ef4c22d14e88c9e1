//! Where rollbacks go.

use super::{lock, world::World};
use contextlib::{
    AsyncContext, Rollback,
    policy::{Boxed, Policy},
};
use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

thread_local! {
    static HERE: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// Rolls back in the executor that the context was entered in.
pub(super) struct OnQueue;

impl<C> Policy<C> for OnQueue
where
    C: AsyncContext<Resource: Send> + Send + 'static,
{
    type Storage = Boxed<C>;
    type Origin = Arc<World>;

    fn origin() -> Arc<World> {
        HERE.with_borrow(|world| world.clone().expect("contexts are entered in the executor"))
    }

    fn rollback(rollback: Rollback<C>, world: Arc<World>) {
        lock(&world.rollbacks).push(Box::pin(rollback));
    }
}

/// Does something with the world at hand, and catches its panic.
pub(super) fn polled_here<R>(
    world: Arc<World>,
    f: impl FnOnce() -> R,
) -> Result<R, Box<dyn Any + Send>> {
    let before = HERE.replace(Some(world));
    let done = catch_unwind(AssertUnwindSafe(f));
    drop(HERE.replace(before));
    done
}
