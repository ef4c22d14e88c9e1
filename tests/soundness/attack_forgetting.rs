//! Whatever may be forgotten is: the yield point, the frame, the guard, the futures of `with`, `enter` and `exit`.

use contextlib::{
    __private as p, AsyncContext, ContextManager, YieldOnce, async_context, background,
    kind::Fallible, policy, yield_resource,
};
use contextlib_tests::{BodyError, Census, ContextError, Counted, Log, poll_once, yields};
use futures::executor::block_on;
use std::{convert::Infallible, mem};

#[async_context]
async fn context(log: Log, census: Census) -> Counted {
    let mut resource = census.value("resource");
    yields(1).await;
    let exit = yield_resource!(resource);
    yields(1).await;
    resource.touch();
    log.say(format!("{exit:?}"));
}

/// A context that boxes its yield point, polls it once, forgets it, and goes on for `polls` polls.
fn forgetful(
    census: &Census,
    polls: usize,
    end: Result<(), ContextError>,
) -> ContextManager<
    impl AsyncContext<Resource = Counted, Kind = Fallible<ContextError>>,
    policy::Drop,
> {
    p::on_cancel_drop::<Counted, Fallible<ContextError>, _>(
        p::defined_around_its_body(|| "forgetful"),
        async move |yielder: YieldOnce<'_, Counted>| {
            let mut lend = Box::pin(yielder.lend(census.value("resource")));
            assert!(futures::poll!(lend.as_mut()).is_pending());
            mem::forget(lend);
            yields(polls).await;
            end
        },
    )
}

#[test]
fn the_yield_point_boxed_and_polled_once() {
    for polls in 0..4 {
        let census = Census::new();
        let with = forgetful(&census, polls, Err(ContextError("done"))).with(
            async |resource| -> Result<(), BodyError> {
                resource.touch();
                let _local = census.value("local of the body");
                std::future::pending().await
            },
        );
        assert_eq!(
            block_on(with),
            Err(BodyError::Context(ContextError("done")))
        );
        census.assert_balanced(polls);
    }
}

#[test]
fn the_yield_point_under_a_guard() {
    for polls in 1..4 {
        let census = Census::new();
        let mut guard = block_on(forgetful(&census, polls, Ok(())).enter()).unwrap();
        let other = census.value("another");
        drop(mem::replace(&mut *guard, other));
        guard.touch();
        let exit = block_on(guard.exit_with(Err::<(), _>(BodyError::Own("body"))));
        assert_eq!(exit, Err(BodyError::Own("body")));
        census.assert_balanced(polls);

        let census = Census::new();
        drop(block_on(forgetful(&census, polls, Ok(())).enter()).unwrap());
        census.assert_balanced(polls);
    }
}

#[test]
fn the_yield_point_in_a_boxed_async_block() {
    #[async_context(on_cancel = drop)]
    async fn forgetful(census: &Census) -> Result<Counted, ContextError> {
        let resource = census.value("resource");
        let mut yields_it = Box::pin(async move {
            let (resource, exit) = yield_resource!(move resource);
            resource.touch();
            exit.kind()
        });
        assert!(futures::poll!(yields_it.as_mut()).is_pending());
        mem::forget(yields_it);
        yields(3).await;
        Err(ContextError("done"))
    }
    let census = Census::new();
    let with = forgetful(&census).with(async |resource: &mut Counted| -> Result<(), BodyError> {
        yields(1).await;
        resource.touch();
        Ok(())
    });
    assert_eq!(
        block_on(with),
        Err(BodyError::Context(ContextError("done")))
    );
    census.assert_balanced("the block is forgotten, and nothing that the driver has");
}

/// The frame may be dropped in the background though its yield point was forgotten.
#[tokio::test]
async fn the_yield_point_and_then_the_caller_is_gone() {
    #[async_context(guard)]
    async fn forgetful(census: Census, log: Log) -> Counted {
        let resource = census.value("resource");
        let mut yields_it = Box::pin(async move { yield_resource!(move resource).1.kind() });
        assert!(futures::poll!(yields_it.as_mut()).is_pending());
        mem::forget(yields_it);
        yields(3).await;
        log.say("end");
    }
    let (census, log) = (Census::new(), Log::new());
    let Ok(guard) = forgetful(census.clone(), log.clone()).enter().await;
    drop(guard);
    background::drain().await;
    assert_eq!(log.lines(), ["end"]);
    census.assert_balanced("rolled back");
}

#[tokio::test]
async fn the_with_future_whose_body_borrows() {
    let (log, census) = (Log::new(), Census::new());
    for polls in 0..6 {
        let borrowed = "the caller's ".repeat(4);
        let its = &borrowed;
        let mut with = Box::pin(context(log.clone(), census.clone()).with(
            async |resource| -> Result<(), Infallible> {
                resource.touch();
                yields(1).await;
                assert_eq!(its.len(), 52);
                std::future::pending().await
            },
        ));
        for _ in 0..polls {
            assert!(poll_once(with.as_mut()).is_pending());
        }
        mem::forget(with);
        drop(borrowed);
    }
    background::drain().await;
    assert!(log.lines().is_empty(), "nobody ever drops the body");
}

#[tokio::test]
async fn the_guard_and_its_futures() {
    let (log, census) = (Log::new(), Census::new());
    let context = || context(log.clone(), census.clone());
    mem::forget(context());
    let Ok(guard) = context().enter().await;
    mem::forget(guard);
    for polls in 0..2 {
        let mut enter = Box::pin(context().enter());
        for _ in 0..polls {
            assert!(poll_once(enter.as_mut()).is_pending());
        }
        mem::forget(enter);
        let Ok(guard) = context().enter().await;
        let mut exit = Box::pin(guard.exit());
        for _ in 0..polls {
            assert!(poll_once(exit.as_mut()).is_pending());
        }
        mem::forget(exit);
        let Ok(guard) = context().enter().await;
        let mut exit = Box::pin(guard.exit_with(Err::<(), _>("an error on the heap".repeat(3))));
        for _ in 0..polls {
            assert!(poll_once(exit.as_mut()).is_pending());
        }
        mem::forget(exit);
    }
    background::drain().await;
    assert!(log.lines().is_empty());
    // A guard that swaps its resource with that of a forgotten one.
    let Ok(mut forgotten) = context().enter().await;
    let Ok(mut kept) = context().enter().await;
    mem::swap(&mut *forgotten, &mut *kept);
    mem::forget(forgotten);
    let Ok(()) = kept.exit().await;
    assert_eq!(log.lines(), ["Completed"]);
}

/// What the body and the resource are may be taken and forgotten through the `&mut`.
#[test]
fn the_resource() {
    let census = Census::new();
    let other = census.clone();
    let with = forgetful(&census, 1, Ok(()));
    drop(with);
    let manager = p::on_cancel_drop::<Counted, Fallible<ContextError>, _>(
        p::defined_around_its_body(|| "takes"),
        async |yielder: YieldOnce<'_, Counted>| {
            let (resource, exit) = yielder.lend(census.value("first")).await;
            assert!(exit.is_completed());
            resource.touch();
            Ok(())
        },
    );
    let with = manager.with(async |resource| -> Result<Counted, BodyError> {
        Ok(mem::replace(resource, other.value("second")))
    });
    let first = block_on(with).unwrap();
    assert_eq!(census.alive(), ["first"]);
    drop(first);
    census.assert_balanced("both");
}
