//! A future dropped after each of 0..n polls, for every way in which the body ends, each policy and each style: setup and teardown are balanced,
//! the teardown saw the right exit, and every value was dropped once.

use crate::runtimes::{current_thread, two_threads};
use contextlib::{
    AsyncContext, ContextManager, ExitKind, async_context, background, kind::Fallible,
    policy::Policy, yield_resource,
};
use contextlib_tests::{Census, Counted, DropAt, Log, Reports, drop_at, message, quietly, yields};
use futures::FutureExt;
use std::{
    future::Future,
    panic::{AssertUnwindSafe, panic_any, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::LocalSet;

/// What one run is watched by.
#[derive(Clone)]
struct World {
    census: Census,
    log: Log,
    /// The body has come to its end, and wasn't dropped before.
    over: Arc<AtomicBool>,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Succeeds,
    Fails,
    Panics,
}

/// What the teardown comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Teardown {
    Succeeds,
    Fails,
    Panics,
}

impl World {
    fn new(how: How) -> Self {
        World {
            census: Census::new(),
            log: Log::new(),
            over: Arc::default(),
            how,
        }
    }

    fn value(&self, name: &'static str) -> Counted {
        self.census.value(name)
    }
}

#[derive(Debug)]
enum Error {
    Body(#[expect(dead_code, reason = "printed")] Counted),
    Teardown(#[expect(dead_code, reason = "printed")] Counted),
}

/// The same context function under each policy.
macro_rules! contexts {
    ($($name:ident: $policy:ident,)*) => {$(
        #[async_context(on_cancel = $policy)]
        async fn $name(world: World, teardown: Teardown, argument: Counted) -> Result<Counted, Error> {
            world.log.say("setup begins");
            let local = world.value("local of the setup");
            yields(2).await;
            let mut resource = world.value("resource");
            world.log.say("set up");
            let exit = yield_resource!(resource);
            world.log.say(format!("exit {:?}", exit.kind()));
            local.touch();
            resource.touch();
            yields(2).await;
            let later = world.value("local of the teardown");
            // A view of the error that lives across awaits, wherever the frame has gone meanwhile.
            match exit.kind() {
                ExitKind::Failed => assert_eq!(format!("{exit:?}"), "Failed(Body(error))"),
                ExitKind::Panicked => assert_eq!(format!("{exit:?}"), "Panicked(a panic whose payload is no string)"),
                _ => {}
            }
            yields(1).await;
            argument.touch();
            later.touch();
            world.log.say("torn down");
            match teardown {
                Teardown::Succeeds => Ok(()),
                Teardown::Fails => Err(Error::Teardown(world.value("error of the teardown"))),
                Teardown::Panics => panic!("teardown"),
            }
        }
    )*};
}

contexts! {
    with_spawn: spawn,
    with_spawn_local: spawn_local,
    with_block: block,
    with_drop: drop,
}

async fn body(world: &World, resource: &mut Counted) -> Result<Counted, Error> {
    let local = world.value("local of the body");
    world.log.say("body begins");
    yields(2).await;
    resource.touch();
    yields(1).await;
    local.touch();
    world.over.store(true, Ordering::Relaxed);
    match world.how {
        How::Succeeds => Ok(world.value("value")),
        How::Fails => Err(Error::Body(world.value("error"))),
        How::Panics => panic_any(world.value("payload")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    With,
    WithLocal,
    /// A guard, exited with whatever the body returned; a panic drops it.
    Guard,
    /// A guard, exited or cancelled without saying more.
    GuardExit,
}

const STYLES: [Style; 4] = [
    Style::With,
    Style::WithLocal,
    Style::Guard,
    Style::GuardExit,
];

/// Runs the body inside the context, in some style.
async fn in_style<C, P>(
    manager: ContextManager<C, P>,
    style: Style,
    world: World,
) -> Result<Counted, Error>
where
    C: AsyncContext<Resource = Counted, Kind = Fallible<Error>> + Send,
    P: Policy<C, Storage: Send, Origin: Send>,
{
    let world = &world;
    match style {
        Style::With => {
            manager
                .with(async |resource| body(world, resource).await)
                .await
        }
        Style::WithLocal => {
            manager
                .with_local(async |resource| body(world, resource).await)
                .await
        }
        Style::Guard => {
            let mut guard = manager.enter().await?;
            let result = body(world, &mut guard).await;
            guard.exit_with(result).await
        }
        Style::GuardExit => {
            let mut guard = manager.enter().await?;
            match body(world, &mut guard).await {
                Ok(value) => guard.exit().await.map(|()| value),
                Err(error) => guard.cancel().await.and(Err(error)),
            }
        }
    }
}

/// What the teardown has to see, if it runs.
fn expected_exit(style: Style, world: &World) -> ExitKind {
    if !world.over.load(Ordering::Relaxed) {
        return ExitKind::Cancelled;
    }
    match (world.how, style) {
        (How::Succeeds, _) => ExitKind::Completed,
        (How::Fails, Style::GuardExit) => ExitKind::Cancelled,
        (How::Fails, _) => ExitKind::Failed,
        (How::Panics, Style::With | Style::WithLocal) => ExitKind::Panicked,
        // The guard is dropped by the panic.
        (How::Panics, Style::Guard | Style::GuardExit) => ExitKind::Cancelled,
    }
}

/// What the policy does with a frame whose caller is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Rollback,
    Dropped,
}

/// Drops what `make` makes after each of 0..n polls; returns n.
async fn at_every_poll<F: Future<Output = Result<Counted, Error>>>(
    reports: &Reports,
    then: Then,
    style: Style,
    how: How,
    teardown: Teardown,
    make: impl Fn(World, Counted) -> F,
) -> usize {
    for polls in 0.. {
        let when =
            format!("{style:?}, body {how:?}, teardown {teardown:?}, dropped after {polls} polls");
        let world = World::new(how);
        let argument = world.value("argument");
        let run = AssertUnwindSafe(drop_at(polls, make(world.clone(), argument)))
            .catch_unwind()
            .await
            .unwrap_or_else(|payload| {
                panic!("{when}: the drop panicked: {}", message(&*payload));
            });
        background::drain().await;
        let lines = world.log.lines();
        let count = |line: &str| lines.iter().filter(|said| *said == line).count();
        let exits: Vec<_> = lines
            .iter()
            .filter_map(|said| said.strip_prefix("exit "))
            .collect();
        let reported = reports.take();

        let ended = matches!(run, DropAt::Ended(_));
        let is_set_up = count("set up") == 1;
        if is_set_up
            && (then == Then::Rollback
                || ended
                    && !(how == How::Panics && matches!(style, Style::Guard | Style::GuardExit)))
        {
            assert_eq!(
                exits,
                [format!("{:?}", expected_exit(style, &world))],
                "{when}: {lines:?}"
            );
            assert_eq!(count("torn down"), 1, "{when}: {lines:?}");
        } else {
            assert!(
                exits.len() <= 1 && count("torn down") <= exits.len(),
                "{when}: {lines:?}"
            );
            assert!(is_set_up || exits.is_empty(), "{when}: {lines:?}");
        }
        assert!(
            count("setup begins") <= 1 && count("body begins") <= 1,
            "{when}: {lines:?}"
        );
        if count("body begins") == 1 {
            assert!(is_set_up, "{when}: {lines:?}");
        }

        // Each failure of the teardown is returned or reported, once.
        let failed = usize::from(count("torn down") == 1 && teardown != Teardown::Succeeds);
        let returned = match &run {
            DropAt::Ended(Ok(Err(Error::Teardown(_)))) => 1,
            DropAt::Ended(Err(payload)) if message(&**payload) == "teardown" => 1,
            _ => 0,
        };
        let of_teardown = reported
            .iter()
            .filter(|report| report.contains("eardown"))
            .count();
        assert_eq!(failed, returned + of_teardown, "{when}: {reported:?}");
        // And so is each of the body's, unless the caller has it and is gone with it.
        let of_body = reported
            .iter()
            .filter(|report| report.contains("'s body"))
            .count();
        if !ended && style != Style::GuardExit {
            let failed = how != How::Succeeds && world.over.load(Ordering::Relaxed);
            assert_eq!(usize::from(failed), of_body, "{when}: {reported:?}");
        }
        if let (DropAt::Ended(ended), true) = (&run, world.over.load(Ordering::Relaxed)) {
            let returned = match ended {
                Ok(Err(Error::Body(_))) => How::Fails,
                Err(payload) if payload.is::<Counted>() => How::Panics,
                _ => How::Succeeds,
            };
            if returned == How::Succeeds && how == How::Fails && style != Style::GuardExit {
                assert_eq!(of_body, 1, "{when}: {reported:?}");
            } else if style != Style::GuardExit {
                assert_eq!((returned, of_body), (how, 0), "{when}: {reported:?}");
            }
        }
        drop(run);
        world.census.assert_balanced(&when);
        if ended {
            assert!(
                polls > 0,
                "{when}: a future that was never polled can't have ended"
            );
            return polls;
        }
    }
    unreachable!("every future comes to its end")
}

/// All ways to end, in all styles.
async fn all<F: Future<Output = Result<Counted, Error>>>(
    reports: &Reports,
    then: Then,
    make: impl Fn(World, Style, Teardown, Counted) -> F,
) {
    for style in STYLES {
        for how in [How::Succeeds, How::Fails, How::Panics] {
            for teardown in [Teardown::Succeeds, Teardown::Fails, Teardown::Panics] {
                let make = |world, argument| make(world, style, teardown, argument);
                let polls = at_every_poll(reports, then, style, how, teardown, make).await;
                // Setup 2, body 3, and the teardown's 3 where it is awaited.
                assert!(
                    polls >= 6,
                    "{style:?} {how:?} {teardown:?} took {polls} polls"
                );
            }
        }
    }
}

async fn all_spawn(reports: &Reports) {
    all(
        reports,
        Then::Rollback,
        |world: World, style, teardown, argument| {
            in_style(with_spawn(world.clone(), teardown, argument), style, world)
        },
    )
    .await;
}

#[test]
fn spawn_on_the_current_thread() {
    let reports = Reports::keep();
    quietly(|| current_thread().block_on(all_spawn(&reports)));
}

#[test]
fn spawn_on_many_threads() {
    let reports = Reports::keep();
    quietly(|| two_threads().block_on(all_spawn(&reports)));
}

#[test]
fn spawn_local() {
    let reports = Reports::keep();
    quietly(|| {
        let make = |world: World, style, teardown, argument| {
            in_style(
                with_spawn_local(world.clone(), teardown, argument),
                style,
                world,
            )
        };
        current_thread().block_on(LocalSet::new().run_until(all(&reports, Then::Rollback, make)));
    });
}

#[test]
fn blocking() {
    let reports = Reports::keep();
    quietly(|| {
        let make = |world: World, style, teardown, argument| {
            in_style(with_block(world.clone(), teardown, argument), style, world)
        };
        two_threads().block_on(all(&reports, Then::Rollback, make));
    });
}

#[test]
fn dropped() {
    let reports = Reports::keep();
    quietly(|| {
        let make = |world: World, style, teardown, argument| {
            in_style(with_drop(world.clone(), teardown, argument), style, world)
        };
        current_thread().block_on(all(&reports, Then::Dropped, make));
    });
}

/// The policy of a boxed context is in the box with it.
#[test]
fn boxed() {
    let reports = Reports::keep();
    quietly(|| {
        two_threads().block_on(async {
            let make = |world: World, style, teardown, argument| {
                in_style(
                    with_spawn(world.clone(), teardown, argument).boxed(),
                    style,
                    world,
                )
            };
            all(&reports, Then::Rollback, make).await;
            let make = |world: World, style, teardown, argument| {
                in_style(
                    with_block(world.clone(), teardown, argument).boxed(),
                    style,
                    world,
                )
            };
            all(&reports, Then::Rollback, make).await;
            let make = |world: World, style, teardown, argument| {
                in_style(
                    with_drop(world.clone(), teardown, argument).boxed(),
                    style,
                    world,
                )
            };
            all(&reports, Then::Dropped, make).await;
        });
    });
}

/// `?` in the middle of a guard's scope, and a future that is aborted while its task sleeps.
mod as_users_do_it {
    use super::*;

    #[tokio::test]
    async fn an_early_return() {
        let world = World::new(How::Fails);
        let run = async {
            let mut guard = with_spawn(world.clone(), Teardown::Succeeds, world.value("argument"))
                .enter()
                .await?;
            body(&world, &mut guard).await?;
            guard.exit().await
        };
        assert!(run.await.is_err());
        background::drain().await;
        assert_eq!(world.log.count("exit Cancelled"), 1);
        assert_eq!(world.log.count("torn down"), 1);
        world.census.assert_balanced("an early return");
    }

    #[tokio::test]
    async fn an_aborted_task() {
        for style in STYLES {
            for ticks in 0..20 {
                let world = World::new(How::Succeeds);
                let manager =
                    with_spawn(world.clone(), Teardown::Succeeds, world.value("argument"));
                let task = tokio::spawn(in_style(manager, style, world.clone()));
                for _ in 0..ticks {
                    tokio::task::yield_now().await;
                }
                task.abort();
                drop(task.await);
                background::drain().await;
                assert_eq!(
                    world.log.count("set up"),
                    world.log.count("torn down"),
                    "{style:?} {ticks}"
                );
                world.census.assert_balanced(format!("{style:?} {ticks}"));
            }
        }
    }

    #[tokio::test]
    async fn a_select_that_another_branch_wins() {
        let world = World::new(How::Succeeds);
        let manager = with_spawn(world.clone(), Teardown::Succeeds, world.value("argument"));
        tokio::select! {
            biased;
            _ = in_style(manager, Style::With, world.clone()) => unreachable!(),
            () = yields(4) => {}
        }
        background::drain().await;
        assert_eq!(
            world.log.lines(),
            [
                "setup begins",
                "set up",
                "body begins",
                "exit Cancelled",
                "torn down"
            ]
        );
        world.census.assert_balanced("select");
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout() {
        let world = World::new(How::Succeeds);
        let manager = with_spawn(world.clone(), Teardown::Succeeds, world.value("argument"));
        let hangs = manager.with(async |resource: &mut Counted| -> Result<(), Error> {
            let _local = world.value("local of the body");
            resource.touch();
            std::future::pending().await
        });
        let run = tokio::time::timeout(std::time::Duration::from_secs(1), hangs).await;
        assert!(run.is_err());
        background::drain().await;
        assert_eq!(
            world.log.lines(),
            ["setup begins", "set up", "exit Cancelled", "torn down"]
        );
        world.census.assert_balanced("timeout");
    }

    #[tokio::test]
    async fn a_panic_resumes_with_its_payload() {
        let _quiet = contextlib_tests::quiet();
        let world = World::new(How::Panics);
        let manager = with_spawn(world.clone(), Teardown::Succeeds, world.value("argument"));
        let run = AssertUnwindSafe(in_style(manager, Style::With, world.clone()))
            .catch_unwind()
            .await;
        let payload = run.unwrap_err();
        payload.downcast_ref::<Counted>().unwrap().touch();
        let again = std::panic::catch_unwind(AssertUnwindSafe(|| resume_unwind(payload)));
        drop(again);
        assert_eq!(world.log.count("exit Panicked"), 1);
        world.census.assert_balanced("a panic");
    }
}
