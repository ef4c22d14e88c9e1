//! What `async with` itself does: the language reference's account of it, as tests.

use super::{Error, RuntimeError, State, ZeroDivisionError, one_by_zero};
use contextlib::{
    AsyncContextManager, Exit, IntoContextManager, async_context, async_with, background,
    kind::{Fallible, Suppressing},
};
use contextlib_tests::Reports;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;

/// A class with `__aenter__` and `__aexit__` that can fail in each.
#[derive(Clone)]
struct Manager {
    name: &'static str,
    state: State,
    enter: Result<(), RuntimeError>,
    exit: Result<(), RuntimeError>,
}

impl Manager {
    fn new(name: &'static str, state: &State) -> Self {
        Manager {
            name,
            state: state.clone(),
            enter: Ok(()),
            exit: Ok(()),
        }
    }
}

impl AsyncContextManager for Manager {
    type Resource = &'static str;
    type Kind = Fallible<RuntimeError>;

    async fn enter(&mut self) -> Result<&'static str, RuntimeError> {
        tokio::task::yield_now().await;
        self.enter?;
        self.state.append(format_args!("enter {}", self.name));
        Ok(self.name)
    }

    async fn exit(&mut self, name: &'static str, exit: Exit<'_>) -> Result<(), RuntimeError> {
        self.state.append(format_args!("exit {name} {exit:?}"));
        tokio::task::yield_now().await;
        self.state.append(format_args!("exited {name}"));
        self.exit
    }
}

#[tokio::test]
async fn enter_fails() {
    let state = State::default();
    let mut b = Manager::new("b", &state);
    b.enter = Err(RuntimeError);
    let raised = (Manager::new("a", &state), b.clone())
        .with(async |_| -> Result<(), Error> { unreachable!("no body") })
        .await;
    assert_eq!(raised, Err(Error::Runtime(RuntimeError)));
    let expected = ["enter a", "exit a Failed(RuntimeError)", "exited a"];
    assert_eq!(
        state.get(),
        expected,
        "`b` isn't exited, `a` with the error"
    );
    // The same in block style.
    let state = State::default();
    b.state = state.clone();
    let raised = async_with!(
        _ = Manager::new("a", &state),
        _ = b,
        async || -> Result<(), Error> { unreachable!("no body") }
    )
    .await;
    assert_eq!(raised, Err(Error::Runtime(RuntimeError)));
    assert_eq!(state.get()[..1], expected[..1]);
    assert_eq!(
        state.get()[1],
        "exit a Failed(Runtime(RuntimeError))",
        "raised as the body's error type"
    );
}

// From outside: whoever enters is dropped.
#[tokio::test]
async fn enter_is_cancelled() {
    let state = State::default();
    {
        let both = (Manager::new("a", &state), Manager::new("b", &state));
        let mut entering = Box::pin(both.with(async |_| -> Result<(), Error> { unreachable!() }));
        while state.get().is_empty() {
            assert!(futures::poll!(&mut entering).is_pending());
        }
    }
    background::drain().await;
    assert_eq!(state.get(), ["enter a", "exit a Cancelled", "exited a"]);
}

// From inside: an outer context ends the setup of an inner one.
#[tokio::test(start_paused = true)]
async fn enter_is_cancelled_inside() {
    #[async_context]
    async fn never() {
        std::future::pending::<()>().await;
        let _ = contextlib::yield_resource!();
    }
    let state = State::default();
    let raised = (
        Manager::new("a", &state),
        contextlib::timeout(std::time::Duration::from_secs(1)),
        Manager::new("b", &state),
        never(),
    )
        .with(async |_| -> Result<(), Error> { unreachable!() })
        .await;
    assert_eq!(raised, Err(Error::Timeout));
    assert_eq!(
        state.get(),
        [
            "enter a",
            "enter b",
            "exit b Cancelled",
            "exited b",
            "exit a Failed(Elapsed)",
            "exited a"
        ]
    );
}

#[tokio::test]
async fn exit_runs_once_on_every_way_out() {
    // Through the end, by `return`, by `?`, by a panic, by `break` out of a loop around it, dropped.
    let state = State::default();
    let m = || Manager::new("m", &state);
    m().with(async |_| -> Result<(), Error> { Ok(()) })
        .await
        .unwrap();
    #[expect(clippy::needless_return)]
    let returned = m()
        .with(async |_| -> Result<u8, Error> { return Ok(1) })
        .await;
    assert_eq!(returned, Ok(1));
    let raised = m()
        .with(async |_| -> Result<(), Error> {
            one_by_zero()?;
            unreachable!()
        })
        .await;
    assert!(raised.is_err());
    let panicked = m().with(async |_| -> Result<(), Error> { panic!("out") });
    AssertUnwindSafe(panicked).catch_unwind().await.unwrap_err();
    for turn in 0.. {
        let more = m()
            .with(async |_| -> Result<bool, Error> { Ok(turn < 1) })
            .await
            .unwrap();
        if !more {
            break;
        }
    }
    {
        let mut dropped =
            Box::pin(m().with(async |_| -> Result<(), Error> { std::future::pending().await }));
        while state.get().last().is_some_and(|line| line != "enter m") {
            assert!(futures::poll!(&mut dropped).is_pending());
        }
    }
    background::drain().await;
    let lines = state.get();
    assert_eq!(lines.iter().filter(|line| *line == "enter m").count(), 7);
    let exits: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("exit m"))
        .collect();
    let expected = [
        "exit m Completed",
        "exit m Completed",
        "exit m Failed(ZeroDivision(ZeroDivisionError(999)))",
        "exit m Panicked(\"out\")",
        "exit m Completed",
        "exit m Completed",
        "exit m Cancelled",
    ];
    assert_eq!(exits, expected.iter().collect::<Vec<_>>());
    assert_eq!(lines.iter().filter(|line| *line == "exited m").count(), 7);
}

// In Python an exit that fails takes the place of the body's error, which is its `__context__`. Here the body's stays, and the other one is reported.
#[tokio::test]
async fn exit_fails() {
    let reports = Reports::keep();
    let state = State::default();
    let mut m = Manager::new("m", &state);
    m.exit = Err(RuntimeError);
    let raised = m
        .clone()
        .with(async |_| -> Result<(), Error> { Ok(()) })
        .await;
    assert_eq!(raised, Err(Error::Runtime(RuntimeError)));
    assert_eq!(reports.take(), [] as [&str; 0]);
    let raised = m
        .clone()
        .with(async |_| -> Result<(), Error> { Ok(one_by_zero()?) })
        .await;
    assert_eq!(raised, Err(Error::ZeroDivision(ZeroDivisionError(999))));
    assert_eq!(
        reports.take(),
        ["Manager failed: RuntimeError after failed"]
    );
    // Both, for who wants both.
    let both = m
        .outcome(async |_| -> Result<(), Error> { Ok(one_by_zero()?) })
        .await;
    assert_eq!(
        both.body,
        Some(Err(Error::ZeroDivision(ZeroDivisionError(999))))
    );
    assert_eq!(both.context, Err(RuntimeError));
    assert_eq!(reports.take(), [] as [&str; 0]);
}

// Swallowed inside, it hasn't happened outside; failed inside, it has.
#[tokio::test]
async fn outer_sees_the_outcome_as_changed_by_the_inner_ones() {
    struct Forgiving;
    impl AsyncContextManager for Forgiving {
        type Resource = ();
        type Kind = Fallible<RuntimeError, Suppressing>;
        async fn enter(&mut self) -> Result<(), RuntimeError> {
            Ok(())
        }
        async fn exit(&mut self, (): (), exit: Exit<'_, Suppressing>) -> Result<(), RuntimeError> {
            exit.suppress();
            Ok(())
        }
    }
    let state = State::default();
    let mut inner = Manager::new("inner", &state);
    inner.exit = Err(RuntimeError);
    let outer = Manager::new("outer", &state);
    let middle = Manager::new("middle", &state);
    let nothing = (outer, Forgiving, middle, inner)
        .with(async |_| -> Result<u8, Error> { Ok(1) })
        .await;
    // A body whose outcome was swallowed has no value.
    assert_eq!(nothing, Ok(None));
    let exits: Vec<_> = state
        .get()
        .into_iter()
        .filter(|line| line.starts_with("exit "))
        .collect();
    assert_eq!(
        exits,
        [
            "exit inner Completed",
            "exit middle Failed(RuntimeError)",
            "exit outer Completed"
        ]
    );
}
