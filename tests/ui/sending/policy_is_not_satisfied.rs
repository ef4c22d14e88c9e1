//! A policy of one's own that asks for more than the context is.
use contextlib::{
    AsyncContext, Rollback, async_context,
    policy::{Boxed, Policy},
    yield_resource,
};
use std::rc::Rc;

struct OnThread;

impl<C: AsyncContext<Resource: Send> + Send + 'static> Policy<C> for OnThread {
    type Storage = Boxed<C>;
    type Origin = ();
    fn origin() {}
    fn rollback(rollback: Rollback<C>, (): ()) {
        drop(rollback);
    }
}

#[async_context(on_cancel = OnThread)]
async fn counted() -> u32 {
    let counter = Rc::new(1);
    let _ = yield_resource!(7);
    drop(counter);
}

fn main() {}
