//! What contexts that are put together cost.

use contextlib::{
    AsyncContextManager, Exit, IntoContextManager, async_context, background,
    kind::{Infallible, Never},
    null_context, policy, protocol, yield_resource,
};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

#[async_context]
async fn one(mut value: u64) -> u64 {
    let _ = yield_resource!(value);
}

#[async_context(on_cancel = drop)]
async fn dropped(mut value: u64) -> u64 {
    let _ = yield_resource!(value);
}

/// Runs what is never pending, without a runtime that would allocate for itself.
fn allocations<F: Future>(run: impl Fn() -> F) -> u64 {
    let counted = allocation_counter::measure(|| {
        let future = pin!(run());
        assert!(
            future
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        );
    });
    counted.count_total
}

#[test]
fn a_tuple_costs_as_many_as_one_context() {
    let single = allocations(|| one(1).run(async |one| *one));
    let tuple = allocations(|| (one(1), one(2), one(3)).run(async |(a, b, c)| *a + *b + *c));
    assert_eq!((single, tuple), (1, 1));
    let single = allocations(|| async { one(1).enter().await.unwrap().exit().await.unwrap() });
    let tuple = allocations(|| async {
        let guard = (one(1), one(2), one(3)).enter().await.unwrap();
        guard.exit().await.unwrap();
    });
    assert_eq!((single, tuple), (1, 1));
    let tuple = allocations(|| {
        (dropped(1), dropped(2), null_context(3)).run(async |(a, b, c)| *a + *b + *c)
    });
    assert_eq!(tuple, 0);
}

struct Struct;

impl AsyncContextManager for Struct {
    type Resource = u64;
    type Kind = Infallible;
    async fn enter(&mut self) -> Result<u64, Never> {
        Ok(1)
    }
    async fn exit(&mut self, _: u64, _: Exit<'_>) -> Result<(), Never> {
        Ok(())
    }
}

#[test]
fn a_struct_costs_one_more() {
    assert_eq!(allocations(|| Struct.run(async |one| *one)), 2);
    let unboxed = || protocol(Struct).on_cancel::<policy::Drop>();
    assert_eq!(allocations(|| unboxed().run(async |one| *one)), 0);
}

#[test]
fn a_rollback_of_somebody_else_costs_a_teardown_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { drop(one(1).enter().await) });
    assert!(background::pending() > 0);
    assert_eq!(allocations(|| one(1).run(async |one| *one)), 1);
    let guard = || async { one(1).enter().await.unwrap().exit().await.unwrap() };
    assert_eq!(allocations(guard), 1);
    runtime.block_on(background::drain());
}
