//! Destructors that panic, everywhere: nothing is dropped twice, nothing is left, and the process lives.

use contextlib::{
    AsyncContext, ContextManager, ExitStack, async_context, background, kind::Fallible,
    policy::Policy, yield_resource,
};
use contextlib_tests::{
    Census, Counted, DropAt, Log, Reports, Skips, drop_at, message, poll_once, quiet, quietly,
    yields,
};
use futures::FutureExt;
use std::{
    panic::{AssertUnwindSafe, panic_any},
    thread,
};

const NAMES: [&str; 10] = [
    "argument",
    "local of the setup",
    "resource",
    "local of the body",
    "value",
    "error",
    "payload",
    "local of the teardown",
    "error of the teardown",
    "nothing",
];

/// One of its values panics when it is dropped.
#[derive(Clone)]
struct World {
    log: Log,
    census: Census,
    armed: &'static str,
    /// What isn't dropped by the code of a context or body, but by the runtime, may panic though the thread does already.
    mean: bool,
}

struct Bomb {
    name: &'static str,
    counted: Counted,
    armed: bool,
    mean: bool,
}

impl World {
    fn bomb(&self, name: &'static str) -> Bomb {
        Bomb {
            name,
            counted: self.census.value(name),
            armed: self.armed == name,
            mean: self.mean,
        }
    }
}

impl std::fmt::Debug for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.counted.touch();
        f.write_str(self.name)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.counted.touch();
        if self.armed && (self.mean || !thread::panicking()) {
            panic!("{} was dropped", self.name);
        }
    }
}

#[derive(Debug)]
struct Error(Bomb);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Succeeds,
    Fails,
    Panics,
}

const HOW: [How; 3] = [How::Succeeds, How::Fails, How::Panics];

macro_rules! contexts {
    ($($name:ident: $policy:ident,)*) => {$(
        #[async_context(on_cancel = $policy)]
        async fn $name(world: World, teardown: How, argument: Bomb) -> Result<Bomb, Error> {
            let local = world.bomb("local of the setup");
            yields(1).await;
            let mut resource = world.bomb("resource");
            world.log.say("set up");
            let exit = yield_resource!(resource);
            world.log.say("torn down");
            let later = world.bomb("local of the teardown");
            yields(1).await;
            for value in [&local, &later, &argument, &resource] {
                value.counted.touch();
            }
            drop(format!("{exit:?}"));
            // Here, since rustc forgets what a block is about to return if one of its locals panics.
            drop((resource, later, argument, local));
            match teardown {
                How::Succeeds => Ok(()),
                How::Fails => Err(Error(world.bomb("error of the teardown"))),
                How::Panics => panic!("teardown"),
            }
        }
    )*};
}

contexts! {
    with_spawn: spawn,
    with_drop: drop,
}

async fn body(world: &World, how: How, resource: &mut Bomb) -> Result<Bomb, Error> {
    let local = world.bomb("local of the body");
    yields(1).await;
    resource.counted.touch();
    drop(local);
    match how {
        How::Succeeds => Ok(world.bomb("value")),
        How::Fails => Err(Error(world.bomb("error"))),
        How::Panics => panic_any(world.bomb("payload")),
    }
}

#[derive(Clone, Copy, Debug)]
enum Style {
    With,
    WithLocal,
    Guard,
    Outcome,
}

async fn in_style<C, P>(
    manager: ContextManager<C, P>,
    style: Style,
    how: How,
    world: World,
) -> Result<Bomb, Error>
where
    C: AsyncContext<Resource = Bomb, Kind = Fallible<Error>> + Send,
    P: Policy<C, Storage: Send, Origin: Send>,
{
    let world = &world;
    match style {
        Style::With => {
            manager
                .with(async |resource| body(world, how, resource).await)
                .await
        }
        Style::WithLocal => {
            manager
                .with_local(async |resource| body(world, how, resource).await)
                .await
        }
        Style::Outcome => {
            let outcome = manager
                .outcome(async |resource| body(world, how, resource).await)
                .await;
            match outcome.context {
                Ok(()) => outcome.body.unwrap(),
                Err(error) => {
                    drop_bomb(outcome.body);
                    Err(error)
                }
            }
        }
        Style::Guard => {
            let mut guard = manager.enter().await?;
            let result = body(world, how, &mut guard).await;
            guard.exit_with(result).await
        }
    }
}

/// Drops what may panic when it is dropped.
fn drop_bomb<T>(value: T) {
    drop(std::panic::catch_unwind(AssertUnwindSafe(|| drop(value))));
}

#[tokio::test]
async fn each_one_at_every_poll() {
    let reports = Reports::keep();
    let _quiet = quiet();
    let mut skips = Skips::new();
    for spawns in [true, false] {
        for style in [Style::With, Style::WithLocal, Style::Guard, Style::Outcome] {
            for how in HOW {
                for teardown in HOW {
                    for armed in NAMES {
                        for polls in 0..8 {
                            if skips.this_one() {
                                continue;
                            }
                            let when = format!(
                                "spawns: {spawns}, {style:?} {how:?} {teardown:?}, {armed} panics, {polls} polls"
                            );
                            let world = World {
                                log: Log::new(),
                                census: Census::new(),
                                armed,
                                mean: false,
                            };
                            let argument = world.bomb("argument");
                            let run = if spawns {
                                let manager = with_spawn(world.clone(), teardown, argument);
                                let run =
                                    drop_at(polls, in_style(manager, style, how, world.clone()));
                                AssertUnwindSafe(run).catch_unwind().await
                            } else {
                                let manager = with_drop(world.clone(), teardown, argument);
                                let run =
                                    drop_at(polls, in_style(manager, style, how, world.clone()));
                                AssertUnwindSafe(run).catch_unwind().await
                            };
                            match run {
                                Ok(DropAt::Ended(Ok(result))) => drop_bomb(result),
                                Ok(DropAt::Ended(Err(payload))) | Err(payload) => {
                                    drop_bomb(payload)
                                }
                                Ok(DropAt::Dropped) => {}
                            }
                            background::drain().await;
                            assert!(spawns || world.log.count("torn down") <= 1, "{when}");
                            if spawns {
                                assert_eq!(
                                    world.log.count("set up"),
                                    world.log.count("torn down"),
                                    "{when}"
                                );
                            }
                            world.census.assert_balanced(&when);
                        }
                    }
                }
            }
        }
    }
    drop(reports.take());
}

/// That the destructor of what is armed has panicked, and been reported.
fn assert_reported_once(reports: &Reports, world: &World, how: impl std::fmt::Debug) {
    let armed = world.armed;
    let reported = reports.take();
    let dropped = reported
        .iter()
        .filter(|report| report.contains(&format!("{armed} was dropped")))
        .count();
    assert_eq!(dropped, 1, "{how:?} {armed}: {reported:?}");
    world.census.assert_balanced(armed);
}

/// What the runtime holds when the teardown panics may panic too, though the thread is panicking: the first panic goes on.
#[tokio::test]
async fn two_at_once_do_not_abort() {
    let reports = Reports::keep();
    let _quiet = quiet();
    // What the body came to, when the context's own panic is what the caller gets.
    for (how, armed) in [(How::Succeeds, "value"), (How::Fails, "error")] {
        for style in [Style::With, Style::WithLocal, Style::Guard, Style::Outcome] {
            let world = World {
                log: Log::new(),
                census: Census::new(),
                armed,
                mean: true,
            };
            let manager = with_spawn(world.clone(), How::Panics, world.bomb("argument"));
            let run = AssertUnwindSafe(in_style(manager, style, how, world.clone()))
                .catch_unwind()
                .await;
            assert_eq!(message(&*run.unwrap_err()), "teardown", "{style:?} {armed}");
            assert_reported_once(&reports, &world, style);
        }
    }
    // What the teardown came to, when the body's panic is.
    for style in [Style::With, Style::WithLocal, Style::Outcome] {
        let world = World {
            log: Log::new(),
            census: Census::new(),
            armed: "error of the teardown",
            mean: true,
        };
        let manager = with_spawn(world.clone(), How::Fails, world.bomb("argument"));
        let run = AssertUnwindSafe(in_style(manager, style, How::Panics, world.clone()))
            .catch_unwind()
            .await;
        assert_eq!(
            run.unwrap_err().downcast_ref::<Bomb>().unwrap().name,
            "payload"
        );
        let reported = reports.take();
        assert_eq!(
            reported.len(),
            2,
            "the error, and its destructor: {reported:?}"
        );
        world.census.assert_balanced("error of the teardown");
    }
}

/// What a body came to is kept while its context is torn down. Then a panic drops it.
#[tokio::test]
async fn what_is_kept_until_a_panic_drops_it() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for (how, armed) in [(How::Succeeds, "value"), (How::Fails, "error")] {
        for style in [Style::With, Style::WithLocal, Style::Outcome, Style::Guard] {
            let world = World {
                log: Log::new(),
                census: Census::new(),
                armed,
                mean: true,
            };
            let manager = with_drop(world.clone(), How::Succeeds, world.bomb("argument"));
            let mut run = Box::pin(in_style(manager, style, how, world.clone()));
            while world.log.count("torn down") == 0 {
                assert!(poll_once(run.as_mut()).is_pending());
            }
            let payload = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let _run = run;
                panic!("the first panic");
            }));
            assert_eq!(message(&*payload.unwrap_err()), "the first panic");
            assert_reported_once(&reports, &world, style);
        }
    }
}

/// A body that is dropped while it runs: the panic of its destructor goes on out of the future's drop, unless another one does already. The teardown runs.
#[tokio::test]
async fn in_a_body_that_is_dropped() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for style in [Style::With, Style::WithLocal, Style::Outcome] {
        for first in [None, Some("the first panic")] {
            let world = World {
                log: Log::new(),
                census: Census::new(),
                armed: "local of the body",
                mean: true,
            };
            let manager = with_spawn(world.clone(), How::Succeeds, world.bomb("argument"));
            let mut run = Box::pin(in_style(manager, style, How::Succeeds, world.clone()));
            while world.log.count("set up") == 0 {
                assert!(poll_once(run.as_mut()).is_pending());
            }
            let payload = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let _run = run;
                if let Some(first) = first {
                    panic_any(first);
                }
            }));
            let dropped = "local of the body was dropped";
            assert_eq!(
                message(&*payload.unwrap_err()),
                first.unwrap_or(dropped),
                "{style:?}"
            );
            background::drain().await;
            assert_eq!(world.log.count("torn down"), 1, "{style:?} {first:?}");
            match first {
                Some(_) => assert_reported_once(&reports, &world, style),
                None => assert!(reports.take().is_empty(), "{style:?}"),
            }
            world.census.assert_balanced(dropped);
        }
    }
}

/// What a body has captured that won't run, since the setup has panicked or failed, also after an await. The first panic goes on; an error that a panic
/// displaces is reported.
#[tokio::test]
async fn in_a_body_that_never_runs() {
    #[async_context]
    async fn not_set_up(world: World, how: How, polls: usize) -> Result<Bomb, Error> {
        yields(polls).await;
        match how {
            How::Succeeds => {}
            How::Fails => return Err(Error(world.bomb("error of the setup"))),
            How::Panics => panic!("setup"),
        }
        let _ = yield_resource!(move world.bomb("resource"));
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    for style in [Style::With, Style::WithLocal, Style::Outcome] {
        for how in [How::Fails, How::Panics] {
            for polls in [0, 1] {
                let world = World {
                    log: Log::new(),
                    census: Census::new(),
                    armed: "captured",
                    mean: true,
                };
                let captured = world.bomb("captured");
                let manager = not_set_up(world.clone(), how, polls);
                let body = async move |_: &mut Bomb| -> Result<Bomb, Error> { Ok(captured) };
                let run = async {
                    match style {
                        Style::With => manager.with(body).await,
                        Style::WithLocal => manager.with_local(body).await,
                        _ => manager.outcome(body).await.body.unwrap(),
                    }
                };
                let payload = AssertUnwindSafe(run).catch_unwind().await.unwrap_err();
                let when = format!("{style:?} {how:?} {polls}");
                let reported = reports.take();
                let (first, second) = match how {
                    How::Panics => ("setup", "captured was dropped"),
                    _ => ("captured was dropped", "error of the setup"),
                };
                assert_eq!(message(&*payload), first, "{when}");
                assert_eq!(reported.len(), 1, "{when}: {reported:?}");
                assert!(reported[0].contains(second), "{when}: {reported:?}");
                world.census.assert_balanced(&when);
            }
        }
    }
}

/// The same on a stack.
#[tokio::test]
async fn what_a_stack_keeps_until_a_panic_drops_it() {
    let reports = Reports::keep();
    let _quiet = quiet();
    let world = World {
        log: Log::new(),
        census: Census::new(),
        armed: "value",
        mean: true,
    };
    let stack = ExitStack::<Error>::new();
    stack.async_callback(std::future::pending::<()>);
    let value = world.bomb("value");
    let mut exit = Box::pin(stack.exit_with(Ok(value)));
    assert!(poll_once(exit.as_mut()).is_pending());
    let payload = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let _exit = exit;
        panic!("the first panic");
    }));
    assert_eq!(message(&*payload.unwrap_err()), "the first panic");
    assert_reported_once(&reports, &world, "stack");
}

/// The resource in a yield point that its context drops, at home and in its hands.
#[test]
fn the_resource_in_a_dropped_yield_point() {
    #[async_context(on_cancel = drop)]
    async fn context(world: &World, polls: usize) -> Result<Bomb, Error> {
        let resource = world.bomb("resource");
        let mut yields_it = Box::pin(async { drop(yield_resource!(move resource).0) });
        for _ in 0..polls {
            assert!(futures::poll!(yields_it.as_mut()).is_pending());
            if polls > 1 {
                yields(1).await;
            }
        }
        let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(yields_it)));
        world.log.say(if dropped.is_ok() {
            "dropped"
        } else {
            "panicked"
        });
        Err(Error(world.bomb("error of the teardown")))
    }
    let reports = Reports::keep();
    quietly(|| {
        for polls in 0..5 {
            let world = World {
                log: Log::new(),
                census: Census::new(),
                armed: "resource",
                mean: false,
            };
            let run =
                context(&world, polls).with(async |resource: &mut Bomb| -> Result<Bomb, Error> {
                    let _local = world.bomb("local of the body");
                    loop {
                        resource.counted.touch();
                        yields(1).await;
                    }
                });
            let run =
                std::panic::catch_unwind(AssertUnwindSafe(|| futures::executor::block_on(run)));
            // In its first poll the yield point hands it out. In the body's hands its destructor is the runtime's to run: its panic is what the body came to.
            assert_eq!(
                world.log.lines(),
                [if polls < 2 { "panicked" } else { "dropped" }],
                "{polls}"
            );
            match run {
                Ok(result) => assert_eq!(result.unwrap_err().0.name, "error of the teardown"),
                Err(payload) => assert_eq!(message(&*payload), "resource was dropped"),
            }
            world.census.assert_balanced(polls);
        }
    });
    drop(reports.take());
}
