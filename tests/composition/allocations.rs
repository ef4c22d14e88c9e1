//! What contexts that are put together cost.

use contextlib::{
    AsyncContextManager, Exit, IntoContextManager, async_context,
    kind::{Infallible, Never},
    null_context, policy, protocol, yield_resource,
};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    thread,
    time::Duration,
};

#[async_context]
async fn one(mut value: u64) -> u64 {
    let _ = yield_resource!(value);
}

#[async_context(on_cancel = drop)]
async fn dropped(mut value: u64) -> u64 {
    let _ = yield_resource!(value);
}

/// Runs what is never pending, without a runtime that would allocate for itself. The fewest of several runs: another test may have a rollback pending
/// during some of them, and then a teardown has to look whether that is its own, which takes a box.
fn allocations<F: Future>(run: impl Fn() -> F) -> u64 {
    let counted = || {
        thread::sleep(Duration::from_millis(1));
        allocation_counter::measure(|| {
            let future = pin!(run());
            assert!(
                future
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
            );
        })
    };
    let counts = (0..10).map(|_| counted().count_total);
    counts.min().expect("there are ten")
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
