//! Holes 1 and 2: what is hidden is public all the same. The tokens that the attribute writes, and the functions that they call.

use contextlib::{__private as p, YieldOnce, async_context, background, kind, yield_resource};
use contextlib_tests::{
    BodyError, Census, ContextError, Counted, Log, message, poll_once, quiet, yields,
};
use futures::{FutureExt, executor::block_on};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    time::Duration,
};
use tokio::time::timeout;

/// Sees the tokens of a yield point, and does with them as it likes.
macro_rules! tamper {
    (takes: yield_resource!(@place $yielder:ident, $place:expr)) => {
        drop($yielder)
    };
    (lends: yield_resource!(@place $yielder:ident, $place:expr)) => {{
        let lend = $yielder.lend($place);
        let (resource, exit) = Box::pin(lend).await;
        resource.touch();
        exit.kind()
    }};
    (drops: yield_resource!(@place $yielder:ident, $place:expr)) => {
        drop($yielder.lend($place))
    };
    (forgets: yield_resource!(@place $yielder:ident, $place:expr)) => {
        mem::forget($yielder.lend($place))
    };
}

#[test]
fn a_macro_of_ones_own_sees_the_yielder() {
    let _quiet = quiet();
    #[async_context(on_cancel = drop)]
    async fn takes(census: &Census) -> Counted {
        let resource = census.value("resource");
        tamper!(takes: yield_resource!(resource));
        resource.touch();
    }
    #[async_context(on_cancel = drop)]
    async fn lends<'a>(census: &'a Census, log: &'a Log) -> Counted {
        let resource = census.value("resource");
        let exit = tamper!(lends: yield_resource!(resource));
        log.say(format!("{exit:?}"));
    }
    #[async_context(on_cancel = drop)]
    async fn drops(census: &Census) -> Counted {
        let resource = census.value("resource");
        tamper!(drops: yield_resource!(resource));
    }
    let (census, log) = (Census::new(), Log::new());
    block_on(lends(&census, &log).run(async |resource| resource.touch()));
    assert_eq!(log.lines(), ["Completed"]);
    for run in [
        catch_unwind(AssertUnwindSafe(|| {
            block_on(takes(&census).run(async |_| ()))
        })),
        catch_unwind(AssertUnwindSafe(|| {
            block_on(drops(&census).run(async |_| ()))
        })),
    ] {
        let text = message(&*run.unwrap_err()).to_owned();
        assert!(text.contains("without yielding"), "{text}");
    }
    census.assert_balanced("tampered with");

    #[async_context(on_cancel = drop)]
    async fn forgets() -> u8 {
        let resource = 1;
        tamper!(forgets: yield_resource!(resource));
    }
    assert!(catch_unwind(|| block_on(forgets().run(async |_| ()))).is_err());
}

/// A frame by hand, from functions instead of closures, with a yielder that is passed on.
#[test]
fn the_builders_called_by_hand() {
    type Kind = kind::Fallible<ContextError>;
    async fn passed_on(yielder: YieldOnce<'_, Counted>, resource: Counted) -> kind_of::Exit {
        let (resource, exit) = yielder.lend(resource).await;
        resource.touch();
        exit.kind()
    }
    mod kind_of {
        pub(super) use contextlib::ExitKind as Exit;
    }
    let census = Census::new();
    let manager = p::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<Counted, Kind, _>(
        p::defined(|| "by hand"),
        {
            let census = census.clone();
            async move |yielder: YieldOnce<'_, _>| {
                let exit = passed_on(yielder, census.value("resource")).await;
                if exit == kind_of::Exit::Completed {
                    Ok(())
                } else {
                    Err(ContextError("not completed"))
                }
            }
        },
    );
    assert_eq!(
        block_on(manager.with(async |_| -> Result<(), BodyError> { Ok(()) })),
        Ok(())
    );
    census.assert_balanced("by hand");
}

/// Two yielders of the same type, whose brands keep them apart: each can be used in its own block only.
#[test]
fn one_block_inside_of_the_other() {
    let census = Census::new();
    let manager = p::on_cancel_drop::<Counted, kind::Infallible, _>(
        p::defined(|| "outer"),
        async |outer: YieldOnce<'_, Counted>| {
            let inner = p::on_cancel_drop::<Counted, kind::Infallible, _>(
                p::defined(|| "inner"),
                async |inner: YieldOnce<'_, Counted>| {
                    let (mut a, _) = outer.lend(census.value("outer")).await;
                    let (mut b, _) = inner.lend(census.value("inner")).await;
                    mem::swap(&mut a, &mut b);
                    a.touch();
                },
            );
            inner.run(async |resource| resource.touch()).await;
        },
    );
    let run = manager.run(async |resource: &mut Counted| {
        yields(2).await;
        resource.touch();
    });
    block_on(run);
    census.assert_balanced("both");
}

#[async_context(on_cancel = drop)]
async fn context(log: Log, census: Census) -> Result<Counted, ContextError> {
    let mut resource = census.value("resource");
    let exit = yield_resource!(resource);
    yields(1).await;
    resource.touch();
    log.say(format!("{:?}", exit.kind()));
    Ok(())
}

/// The resource, lent by a session that is gone before its body is.
#[test]
fn the_lent_resource_outlives_its_session() {
    let (log, census) = (Log::new(), Census::new());
    {
        let (mut opening, frame) = p::Block.open(context(log.clone(), census.clone()));
        let frame = pin!(frame);
        let mut session = opening.session(frame);
        let resource = block_on(session.setup()).unwrap();
        drop(session);
        resource.touch();
    }
    census.assert_balanced("lent");
}

/// Block style's functions, called without the macro: the session forgotten, the body forgotten, the body kept after its end.
#[test]
fn the_session() {
    for forgets in [
        "nothing",
        "the session",
        "the run",
        "the lent resource",
        "the end",
    ] {
        let (log, census) = (Log::new(), Census::new());
        {
            let (mut opening, frame) = p::Block.open(context(log.clone(), census.clone()));
            let frame = pin!(frame);
            let mut session = opening.session(frame);
            let resource = block_on(session.setup()).unwrap();
            let body = pin!(Some(async {
                let resource = resource;
                yields(1).await;
                resource.touch();
                let returned: Result<(), BodyError> = Ok(());
                returned
            }));
            if forgets == "the run" {
                let mut run = Box::pin(session.run(body, std::convert::identity));
                assert!(poll_once(run.as_mut()).is_pending());
                mem::forget(run);
            } else if forgets != "the lent resource" {
                let end = block_on(session.run(body, std::convert::identity));
                if forgets == "the end" {
                    drop(end);
                } else {
                    assert_eq!(session.returned(end), Ok(()));
                    // Once more, with nothing to be said.
                    let body = pin!(Some(std::future::pending()));
                    let again = catch_unwind(AssertUnwindSafe(|| {
                        if let Some(end) = session.run(body, std::convert::identity).now_or_never()
                        {
                            let _ = session.returned::<(), BodyError>(end);
                        }
                    }));
                    drop(again);
                }
            }
            if forgets == "the session" {
                mem::forget(session);
            }
        }
        census.assert_balanced(forgets);
    }
}

/// Its teardown is left to the background.
#[async_context]
async fn spawned(log: Log, census: Census) -> Result<Counted, ContextError> {
    let mut resource = census.value("resource");
    let exit = yield_resource!(resource);
    resource.touch();
    log.say(format!("{:?}", exit.kind()));
    Ok(())
}

/// Whether there is an end to the rollbacks.
async fn drains() -> bool {
    let drained = timeout(Duration::from_secs(9), background::drain()).await;
    drained.is_ok() && background::pending() == 0
}

/// Two sessions of one opening would have the same number.
#[tokio::test(start_paused = true)]
async fn one_opening_for_two_frames() {
    let _quiet = quiet();
    let (log, census) = (Log::new(), Census::new());
    {
        let (mut opening, first) = p::Block.open(spawned(log.clone(), census.clone()));
        let (_, second) = p::Block.open(spawned(log.clone(), census.clone()));
        let (first, second) = (pin!(first), pin!(second));
        drop(opening.session(first).setup().await);
        let again = catch_unwind(AssertUnwindSafe(|| drop(opening.session(second))));
        assert_eq!(
            message(&*again.unwrap_err()),
            "a block enters its context once"
        );
    }
    assert!(drains().await);
    assert_eq!(log.lines(), ["Cancelled"]);
    census.assert_balanced("one opening");
}

/// What is lent can't be given back to the context, and isn't waited for.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_dropped_before_what_it_has_lent() {
    let (log, census) = (Log::new(), Census::new());
    {
        let (mut opening, frame) = p::Block.open(spawned(log.clone(), census.clone()));
        let frame = pin!(frame);
        let mut session = opening.session(frame);
        let resource = session.setup().await.unwrap();
        drop(session);
        resource.touch();
        assert_eq!(background::pending(), 0);
    }
    assert!(drains().await);
    assert_eq!(log.lines(), [""; 0]);
    census.assert_balanced("lent");
}

/// The context would wait for it for ever.
#[tokio::test(start_paused = true)]
async fn a_body_that_forgets_what_it_was_lent() {
    let _quiet = quiet();
    let (log, census) = (Log::new(), Census::new());
    {
        let (mut opening, frame) = p::Block.open(spawned(log.clone(), census.clone()));
        let frame = pin!(frame);
        let mut session = opening.session(frame);
        let resource = session.setup().await.unwrap();
        let body = pin!(Some(async {
            mem::forget(resource);
            let returned: Result<(), BodyError> = Ok(());
            returned
        }));
        let run = AssertUnwindSafe(session.run(body, std::convert::identity)).catch_unwind();
        let run = timeout(Duration::from_secs(9), run).await;
        let payload = run.expect("it ends").map(drop).unwrap_err();
        assert_eq!(
            message(&*payload),
            "a body that is over gives its resource back"
        );
    }
    assert_eq!(log.lines(), [""; 0]);
    assert!(drains().await);
}
