//! Spans around setup, body and teardown; a rollback in the span that its context was entered in; events in place of the report hook.

use crate::{Broken, How, alone, ends, events::Events, run};
use contextlib::{ExitStack, async_context, background::drain, yield_resource};
use std::{future::pending, panic::Location, time::Duration};
use tokio::time::timeout;
use tracing::{Instrument, Level, info, info_span};

#[test]
fn each_stage_has_a_span() {
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::TRACE);
    let body = async |_: &mut ()| -> Result<(), Broken> {
        info!("body");
        tokio::task::yield_now().await;
        info!("body again");
        Ok(())
    };
    run(ends(How::Well).with(body).instrument(info_span!("request"))).unwrap();
    assert_eq!(
        events.take(),
        [
            "INFO request/setup: setup",
            "INFO request/body: body",
            "INFO request/body: body again",
            "INFO request/teardown: teardown",
        ]
    );
    // Guard style: the body is the caller's code.
    let guard = async {
        let guard = ends(How::Well).enter().await?;
        info!("body");
        guard.exit().await
    };
    run(guard.instrument(info_span!("request"))).unwrap();
    assert_eq!(
        events.take(),
        [
            "INFO request/setup: setup",
            "INFO request: body",
            "INFO request/teardown: teardown",
        ]
    );
    assert_eq!(events.open(), 0);
}

/// A body's span is closed when the body is over, not when its context is: polled beside that or inside it, returned or dropped.
#[test]
fn a_bodys_span_ends_with_it() {
    #[async_context]
    async fn counts(events: Events) -> Result<(), Broken> {
        let before = events.open();
        let _ = yield_resource!();
        assert_eq!(events.open(), before, "that of the setup, or the teardown");
    }
    #[async_context]
    async fn wraps(events: Events, limit: usize) -> Result<(), Broken> {
        let before = events.open();
        let yields = async { yield_resource!().is_completed() };
        tokio::select! {
            biased;
            _ = yields => {}
            () = contextlib_tests::yields(limit) => {}
        }
        assert!(events.open() <= before, "that of the setup, at most");
        Err(Broken("over"))
    }
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::TRACE);
    let body = async |_: &mut ()| -> Result<(), Broken> {
        contextlib_tests::yields(2).await;
        Ok(())
    };
    run(counts(events.clone()).with(body)).unwrap();
    for limit in [9, 1] {
        let over = run(wraps(events.clone(), limit).with(body));
        assert_eq!(over, Err(Broken("over")));
    }
    assert_eq!(events.open(), 0);
}

#[test]
fn a_rollback_runs_in_the_span_that_its_context_was_entered_in() {
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::TRACE);
    run(async {
        let with = ends(How::Well)
            .with(async |_| -> Result<(), Broken> { pending().await })
            .instrument(info_span!("request"));
        assert!(timeout(Duration::from_millis(1), with).await.is_err());
        drain().await;
        let guard = ends(How::Failing)
            .enter()
            .instrument(info_span!("another"))
            .await
            .unwrap();
        async { drop(guard) }
            .instrument(info_span!("elsewhere"))
            .await;
        drain().await;
    });
    let mut lines = events.take();
    let last = lines.pop().unwrap();
    assert!(
        last.starts_with("ERROR another: a context failed: Broken(\"teardown\") context=\"ends\""),
        "{last}"
    );
    lines.retain(|line| !line.starts_with("DEBUG"));
    assert_eq!(
        lines,
        [
            "INFO request/setup: setup",
            "INFO request/teardown: teardown",
            "INFO another/setup: setup",
            "INFO another/teardown: teardown",
        ]
    );
    assert_eq!(events.open(), 0);
}

#[test]
fn a_callback_of_a_stack_too() {
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::TRACE);
    run(async {
        let put_on = async {
            let stack = ExitStack::<Broken>::new();
            stack.callback(|| info!("callback"));
            stack
        };
        let stack = put_on.instrument(info_span!("request")).await;
        stack
            .exit()
            .instrument(info_span!("elsewhere"))
            .await
            .unwrap();
        let put_on = async {
            let stack = ExitStack::<Broken>::new();
            stack.callback(|| info!("rolled back"));
            stack
        };
        let stack = put_on.instrument(info_span!("another")).await;
        drop(stack);
        drain().await;
    });
    let mut lines = events.take();
    lines.retain(|line| !line.starts_with("DEBUG"));
    assert_eq!(
        lines,
        [
            "INFO elsewhere/teardown: callback",
            "INFO another/teardown: rolled back",
        ]
    );
    assert_eq!(events.open(), 0);
}

/// Its own span holds for the body.
#[async_context]
async fn in_a_span() -> Result<(), Broken> {
    async {
        let ((), _) = yield_resource!(move ());
    }
    .instrument(info_span!("own"))
    .await;
    info!("after the body");
}

#[test]
fn a_span_around_the_yield_point_is_around_the_body() {
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::TRACE);
    let body = async |_: &mut ()| -> Result<(), Broken> {
        info!("body");
        Ok(())
    };
    run(in_a_span().with(body).instrument(info_span!("request"))).unwrap();
    let lines = events.take();
    assert_eq!(lines[0], "INFO request/setup/own/body: body");
    assert_eq!(lines[1], "INFO request/teardown: after the body");
    assert_eq!(events.open(), 0);
}

#[test]
fn a_subscriber_that_wants_no_traces_gets_no_spans_of_ours() {
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::INFO);
    run(async {
        let with = ends(How::Well)
            .with(async |_| -> Result<(), Broken> {
                info!("body");
                pending().await
            })
            .instrument(info_span!("request"));
        assert!(timeout(Duration::from_millis(1), with).await.is_err());
        drain().await;
    });
    assert_eq!(
        events.take(),
        [
            "INFO request: setup",
            "INFO request: body",
            "INFO request: teardown"
        ]
    );
    assert_eq!(events.open(), 0);
}

#[test]
fn a_guard_dropped_unexited_is_a_debug_event_with_both_places() {
    let _turn = alone();
    let (events, _listening) = Events::listen(Level::DEBUG);
    let line = run(async {
        let guard = ends(How::Well).enter().await.unwrap();
        let line = line!() - 1;
        drop(guard);
        drain().await;
        line
    });
    let said = events
        .take()
        .into_iter()
        .find(|line| line.starts_with("DEBUG"))
        .unwrap();
    let here = Location::caller().file();
    let main = here.replace("spans.rs", "main.rs");
    let start = "DEBUG nowhere: a guard was dropped without `exit`: its context is cancelled";
    assert!(said.starts_with(start), "{said}");
    assert!(said.contains(" context=\"ends\""), "{said}");
    assert!(said.contains(&format!(" defined={main}:")), "{said}");
    assert!(said.contains(&format!(" entered={here}:{line}:")), "{said}");
    // Not for one that is exited, nor for one dropped by a panic.
    let (events, _listening) = Events::listen(Level::DEBUG);
    run(async { ends(How::Well).enter().await?.exit().await }).unwrap();
    let panicked = std::panic::catch_unwind(|| {
        run(async {
            let _guard = ends(How::Well).enter().await;
            panic!("a body");
        })
    });
    assert!(panicked.is_err());
    let lines = events.take();
    assert!(
        !lines.iter().any(|line| line.starts_with("DEBUG")),
        "{lines:?}"
    );
}
