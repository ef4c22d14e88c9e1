//! A panic in setup or teardown reaches the caller, with its payload; two panics never abort the process. (All pairs of outcomes are in promise
//! 12, panics of destructors in `soundness`.)

use contextlib::{async_context, background, within, yield_resource};
use contextlib_tests::{BodyError, Census, ContextError, Counted, Reports, message, quiet, yields};
use futures::FutureExt;
use std::{
    fmt,
    panic::{AssertUnwindSafe, panic_any},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

#[derive(Debug, PartialEq)]
struct Payload(u32);

#[derive(Clone, Copy, PartialEq)]
enum At {
    FirstPoll,
    Setup,
    Teardown,
    LaterTeardown,
    Nowhere,
}

#[async_context]
async fn panics(at: At, census: Census) -> Result<Counted, ContextError> {
    let panic = |here| {
        if at == here {
            panic_any(Payload(7));
        }
    };
    let _local = census.value("local");
    panic(At::FirstPoll);
    yields(1).await;
    panic(At::Setup);
    let mut resource = census.value("resource");
    let _ = yield_resource!(resource);
    panic(At::Teardown);
    yields(1).await;
    panic(At::LaterTeardown);
}

#[tokio::test]
async fn of_the_context_reach_the_caller() {
    let reports = Reports::keep();
    let _quiet = quiet();
    let census = Census::new();
    for at in [At::FirstPoll, At::Setup, At::Teardown, At::LaterTeardown] {
        let payload = AssertUnwindSafe(
            panics(at, census.clone()).with(async |_| -> Result<(), BodyError> { Ok(()) }),
        )
        .catch_unwind()
        .await;
        assert_eq!(
            *payload.unwrap_err().downcast::<Payload>().unwrap(),
            Payload(7)
        );
        let guard = AssertUnwindSafe(panics(at, census.clone()).enter())
            .catch_unwind()
            .await;
        let payload = match guard {
            Ok(guard) => AssertUnwindSafe(guard.unwrap().exit())
                .catch_unwind()
                .await
                .unwrap_err(),
            Err(payload) => payload,
        };
        assert_eq!(*payload.downcast::<Payload>().unwrap(), Payload(7));
    }
    background::drain().await;
    census.assert_balanced("after the panics");
    assert_eq!(reports.take(), [""; 0], "nothing is left to be reported");
}

#[tokio::test]
async fn of_the_body_go_on_with_their_payload() {
    let _quiet = quiet();
    let census = Census::new();
    let payload = census.value("payload");
    let body = panics(At::Nowhere, census.clone())
        .with(async |_| -> Result<(), BodyError> { panic_any(payload) });
    let payload = AssertUnwindSafe(body).catch_unwind().await.unwrap_err();
    payload.downcast_ref::<Counted>().unwrap().touch();
    drop(payload);
    census.assert_balanced("the body's payload");
}

/// Around a function that can return no error, a context's error is a panic; that it can't be printed is no second one.
#[tokio::test]
async fn of_a_function_around_which_a_context_fails() {
    struct Unprintable;
    impl fmt::Debug for Unprintable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in its `Debug`")
        }
    }
    #[async_context]
    async fn fails(at: At) -> Result<(), Unprintable> {
        if at == At::Setup {
            return Err(Unprintable);
        }
        let _ = yield_resource!();
        Err(Unprintable)
    }
    #[within(_ = fails(at))]
    async fn plain(at: At) -> u32 {
        1
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    for at in [At::Setup, At::Teardown] {
        let payload = AssertUnwindSafe(plain(at)).catch_unwind().await;
        let payload = payload.unwrap_err();
        let text = message(&*payload);
        assert!(text.starts_with("the context `fails` ("), "{text}");
        assert!(
            text.ends_with(" failed: an error whose Debug panics"),
            "{text}"
        );
    }
    assert_eq!(reports.take(), [""; 0], "the caller got it");
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

impl fmt::Debug for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it")
    }
}

/// A body's future that panics when it is dropped at its end, and its value, too.
#[tokio::test]
async fn of_a_body_whose_future_and_value_panic_when_they_are_dropped() {
    struct Body(#[expect(dead_code, reason = "it is dropped")] Bomb);
    impl Future for Body {
        type Output = Result<Bomb, BodyError>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(Bomb("the value")))
        }
    }
    #[async_context]
    async fn around(told: Arc<Mutex<String>>) {
        let exit = yield_resource!();
        *told.lock().unwrap() = format!("{exit:?}");
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    let told = Arc::default();
    let with = around(Arc::clone(&told)).with(|_: &mut ()| Body(Bomb("the future")));
    let Err(payload) = AssertUnwindSafe(with).catch_unwind().await else {
        panic!("it panics");
    };
    assert_eq!(message(&*payload), "the future");
    assert_eq!(*told.lock().unwrap(), "Panicked(\"the future\")");
    assert_eq!(
        reports.take(),
        ["around's body panicked: the value after panicked"]
    );
}

/// Nor is it one that it, or the function's value, panics when it is dropped.
#[tokio::test]
async fn of_a_function_whose_value_or_error_panics_when_it_is_dropped() {
    #[async_context]
    async fn fails_badly(at: At) -> Result<(), Bomb> {
        if at == At::Setup {
            return Err(Bomb("the error"));
        }
        let _ = yield_resource!();
        Err(Bomb("the error"))
    }
    #[within(_ = fails_badly(at))]
    async fn plain(at: At) -> Bomb {
        Bomb("the value")
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    for at in [At::Setup, At::Teardown] {
        let Err(payload) = AssertUnwindSafe(plain(at)).catch_unwind().await else {
            panic!("it has failed");
        };
        let text = message(&*payload);
        assert!(text.ends_with(" failed: it"), "{text}");
        let panicked = |what| format!("fails_badly panicked: {what} after completed");
        let dropped = match at {
            At::Setup => vec![panicked("the error")],
            _ => vec![panicked("the error"), panicked("the value")],
        };
        assert_eq!(reports.take(), dropped);
    }
}

/// What the closure of `map_err` has captured is dropped with the frame: its panic is one of a destructor in there.
#[tokio::test]
async fn of_a_closure_that_maps_an_error() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("captured");
        }
    }
    let mapped = |at| {
        let (bomb, census) = (Bomb, Census::new());
        panics(at, census).map_err(move |error| {
            let _ = &bomb;
            error
        })
    };
    let reports = Reports::keep();
    let _quiet = quiet();

    let body = async |_: &mut Counted| -> Result<(), BodyError> { panic_any(Payload(8)) };
    let with = AssertUnwindSafe(mapped(At::Nowhere).with(body)).catch_unwind();
    let payload = with.await.unwrap_err().downcast::<Payload>();
    assert_eq!(*payload.unwrap(), Payload(8));
    assert_eq!(reports.take(), ["panics panicked: captured after panicked"]);

    let guard = mapped(At::Teardown).enter().await.unwrap();
    let exit = AssertUnwindSafe(guard.exit()).catch_unwind();
    assert_eq!(
        *exit.await.unwrap_err().downcast::<Payload>().unwrap(),
        Payload(7)
    );
    assert_eq!(
        reports.take(),
        ["panics panicked: captured after completed"]
    );

    // Nothing has ended the frame of a setup that has panicked.
    let with = AssertUnwindSafe(async {
        let body = async |_: &mut Counted| Ok::<_, BodyError>(());
        mapped(At::Setup).with(body).await
    });
    let payload = with.catch_unwind().await.unwrap_err().downcast::<Payload>();
    assert_eq!(*payload.unwrap(), Payload(7));
    let enter = AssertUnwindSafe(async { mapped(At::Setup).enter().await.map(drop) });
    let payload = enter
        .catch_unwind()
        .await
        .unwrap_err()
        .downcast::<Payload>();
    assert_eq!(*payload.unwrap(), Payload(7));
    assert_eq!(
        reports.take(),
        ["panics panicked: captured after panicked"; 2]
    );

    drop(mapped(At::Nowhere).enter().await);
    background::drain().await;
    assert_eq!(
        reports.take(),
        ["panics panicked: captured after cancelled"]
    );
}

/// Before the body's first await: in the closure itself, not in its future.
#[tokio::test]
async fn of_a_body_that_does_not_even_begin() {
    fn at_once(_: &mut Counted) -> std::future::Ready<Result<(), BodyError>> {
        panic!("at once")
    }
    let _quiet = quiet();
    let census = Census::new();
    let payload = AssertUnwindSafe(panics(At::Nowhere, census.clone()).with(at_once))
        .catch_unwind()
        .await
        .unwrap_err();
    assert_eq!(message(&*payload), "at once");
    census.assert_balanced("at once");
}

/// The context's own code unwinds through its yield point while the body is under way.
#[tokio::test]
async fn of_a_context_whose_body_is_under_way() {
    #[async_context]
    async fn gives_up(census: Census) -> Result<Counted, ContextError> {
        let resource = census.value("resource");
        tokio::select! {
            biased;
            _ = async { yield_resource!(move resource).1.kind() } => {}
            () = yields(2) => panic!("gives up"),
        }
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    let census = Census::new();
    let with =
        gives_up(census.clone()).with(async |resource: &mut Counted| -> Result<(), BodyError> {
            let _local = census.value("local of the body");
            loop {
                resource.touch();
                yields(1).await;
            }
        });
    let payload = AssertUnwindSafe(with).catch_unwind().await.unwrap_err();
    assert_eq!(message(&*payload), "gives up");
    census.assert_balanced("gave up");
    assert_eq!(reports.take(), [""; 0]);
}

/// A context may catch a panic that it doesn't know: nothing of its own goes through its yield point.
#[tokio::test]
async fn of_the_body_never_unwind_through_the_context() {
    #[async_context]
    async fn catches() -> Result<bool, ContextError> {
        let caught = AssertUnwindSafe(async { yield_resource!(false).kind() })
            .catch_unwind()
            .await;
        assert!(matches!(caught, Ok(contextlib::ExitKind::Panicked)));
    }
    let _quiet = quiet();
    let with = catches().with(async |_| -> Result<(), BodyError> { panic!("body") });
    assert_eq!(
        message(&*AssertUnwindSafe(with).catch_unwind().await.unwrap_err()),
        "body"
    );
}
