//! A context that drops its yield point drops the body there and then: the body's locals, then the resource, then the context's next statement.
//! Meanwhile the whole may be dropped after each of 0..n polls, as in promise 11.

use crate::runtimes::{current_thread, two_threads};
use contextlib::{ExitKind, async_context, background, yield_resource};
use contextlib_tests::{
    BodyError, Census, ContextError, Counted, DropAt, Log, Reports, drop_at, message, quietly,
    yields,
};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use tokio::{sync::oneshot, task::LocalSet};

/// Says when it is dropped.
struct Said(
    Log,
    &'static str,
    #[expect(dead_code, reason = "it is counted")] Counted,
);
impl Drop for Said {
    fn drop(&mut self) {
        self.0.say(format!("{} dropped", self.1));
    }
}

struct World {
    log: Log,
    census: Census,
}

impl World {
    fn said(&self, name: &'static str) -> Said {
        Said(self.log.clone(), name, self.census.value(name))
    }
}

/// Its yield point lasts for `polls` polls of the frame after the setup.
macro_rules! contexts {
    ($($name:ident: $policy:ident,)*) => {$(
        #[async_context(on_cancel = $policy)]
        async fn $name(log: Log, census: Census, polls: usize) -> Result<Said, ContextError> {
            let world = World { log, census };
            let local = world.said("context's local");
            let resource = world.said("resource");
            let exit = tokio::select! {
                biased;
                (resource, exit) = async { yield_resource!(move resource) } => {
                    drop(resource);
                    Some(exit.kind())
                }
                () = yields(polls + 1) => None,
            };
            world.log.say("context's next statement");
            if let Some(exit) = exit {
                world.log.say(format!("{exit:?}"));
            }
            yields(2).await;
            drop(local);
            world.log.say("context's end");
            match exit {
                Some(_) => Ok(()),
                None => Err(ContextError("time is up")),
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

#[derive(Clone, Copy, Debug)]
enum How {
    Succeeds,
    Fails,
    Panics,
}

async fn body(world: &World, how: How) -> Result<&'static str, BodyError> {
    let _local = world.said("body's local");
    world.log.say("body begins");
    yields(3).await;
    world.log.say("body ends");
    match how {
        How::Succeeds => Ok("value"),
        How::Fails => Err(BodyError::Own("error")),
        How::Panics => panic!("body's panic"),
    }
}

#[track_caller]
fn assert_order(lines: &[String], first: &str, then: &str, when: &str) {
    let at = |line: &str| lines.iter().position(|said| said == line);
    if let (Some(first), Some(then)) = (at(first), at(then)) {
        assert!(first < then, "{when}: {lines:?}");
    } else {
        panic!("{when}: both {first:?} and {then:?} have to be in {lines:?}");
    }
}

macro_rules! at_every_point {
    ($context:ident, $style:ident, rolls_back: $rolls_back:expr) => {
        for how in [How::Succeeds, How::Fails, How::Panics] {
            for lasts in 0..7 {
                let polls = one_after_the_other(
                    &format!(
                        "{} {} {how:?}, lasting {lasts}",
                        stringify!($context),
                        stringify!($style)
                    ),
                    $rolls_back,
                    how,
                    async |polls, world: &World| {
                        let manager = $context(world.log.clone(), world.census.clone(), lasts);
                        let run =
                            manager.$style(async |_resource: &mut Said| body(world, how).await);
                        AssertUnwindSafe(drop_at(polls, run)).catch_unwind().await
                    },
                )
                .await;
                assert!(polls >= 3, "{polls}");
            }
        }
    };
}

async fn one_after_the_other(
    what: &str,
    rolls_back: bool,
    how: How,
    run: impl AsyncFn(usize, &World) -> std::thread::Result<DropAt<Result<&'static str, BodyError>>>,
) -> usize {
    for polls in 0.. {
        let when = format!("{what}, dropped after {polls} polls");
        let world = World {
            log: Log::new(),
            census: Census::new(),
        };
        let run = run(polls, &world)
            .await
            .unwrap_or_else(|payload| panic!("{when}: the drop panicked: {}", message(&*payload)));
        background::drain().await;
        let lines = world.log.lines();
        let count = |line: &str| lines.iter().filter(|said| *said == line).count();
        assert!(
            count("context's next statement") <= 1 && count("context's end") <= 1,
            "{when}: {lines:?}"
        );
        if count("context's next statement") == 1 {
            assert_order(
                &lines,
                "resource dropped",
                "context's next statement",
                &when,
            );
            if count("body begins") == 1 {
                assert_order(&lines, "body's local dropped", "resource dropped", &when);
            }
        }
        if rolls_back || matches!(run, DropAt::Ended(_)) {
            assert_eq!(
                count("context's next statement"),
                usize::from(polls > 0),
                "{when}: {lines:?}"
            );
            assert_eq!(
                count("context's end"),
                usize::from(polls > 0),
                "{when}: {lines:?}"
            );
            if count("body ends") == 0 {
                // Its context has ended it (and there is no exit to see), or the caller has.
                assert!(
                    !lines
                        .iter()
                        .any(|line| ["Completed", "Failed", "Panicked"].contains(&&**line)),
                    "{when}: {lines:?}"
                );
            }
        }
        if let DropAt::Ended(ended) = &run {
            let exit = |exit: ExitKind| count(&format!("{exit:?}")) == 1;
            let over = count("body ends") == 1;
            let right = match ended {
                Ok(Ok("value")) => over && exit(ExitKind::Completed),
                Ok(Err(BodyError::Context(ContextError("time is up")))) => {
                    !over || matches!(how, How::Succeeds)
                }
                Ok(Err(BodyError::Own("error"))) => over,
                Err(payload) => over && message(&**payload) == "body's panic",
                Ok(_) => false,
            };
            assert!(right, "{when}: {ended:?} {lines:?}");
        }
        let ended = matches!(run, DropAt::Ended(_));
        drop(run);
        world.census.assert_balanced(&when);
        if ended {
            return polls;
        }
    }
    unreachable!("every future comes to its end")
}

#[test]
fn under_every_policy_at_every_point() {
    let _reports = Reports::keep();
    quietly(|| {
        two_threads().block_on(async {
            at_every_point!(with_spawn, with, rolls_back: true);
            at_every_point!(with_spawn, with_local, rolls_back: true);
            at_every_point!(with_block, with, rolls_back: true);
            at_every_point!(with_block, with_local, rolls_back: true);
            at_every_point!(with_drop, with, rolls_back: false);
            at_every_point!(with_drop, with_local, rolls_back: false);
        });
        let runtime = current_thread();
        runtime.block_on(LocalSet::new().run_until(async {
            at_every_point!(with_spawn_local, with, rolls_back: true);
            at_every_point!(with_spawn_local, with_local, rolls_back: true);
        }));
    });
}

/// Rolled back when it is told to be.
#[async_context]
async fn held(told: oneshot::Receiver<()>) {
    let _ = yield_resource!();
    let _ = told.await;
}

/// The two failures, of the body and of its context, that come up in one poll: one is returned, the other reported. By itself a body that is over has
/// its context go on with its teardown in that poll; a rollback that is pending somewhere has the context look again before.
#[test]
fn a_body_that_fails_in_the_poll_in_which_its_context_ends_it() {
    let reports = Reports::keep();
    let runtime = current_thread();
    quietly(|| {
        runtime.block_on(async {
            let mut both = 0;
            let (tell, told) = oneshot::channel();
            let task = tokio::spawn(async { drop(held(told).enter().await) });
            task.await.unwrap();
            assert_eq!(background::pending(), 1);
            for how in [How::Fails, How::Panics] {
                for lasts in 0..7 {
                    let world = World {
                        log: Log::new(),
                        census: Census::new(),
                    };
                    let manager = with_drop(world.log.clone(), world.census.clone(), lasts);
                    let ended = AssertUnwindSafe(manager.with(async |_| body(&world, how).await))
                        .catch_unwind()
                        .await;
                    let of_body = match ended {
                        Ok(Ok(_)) => unreachable!(),
                        Ok(Err(BodyError::Own(_))) | Err(_) => true,
                        Ok(Err(BodyError::Context(_))) => false,
                    };
                    let reported = reports.take();
                    assert_eq!(of_body, world.log.count("body ends") == 1);
                    let exit_seen = world
                        .log
                        .lines()
                        .iter()
                        .any(|line| line == "Failed" || line == "Panicked");
                    if of_body && !exit_seen {
                        both += 1;
                        assert!(
                            matches!(&*reported, [one] if one.contains("time is up")),
                            "{reported:?}"
                        );
                    } else {
                        assert_eq!(reported, [""; 0]);
                    }
                }
            }
            assert_eq!(
                both, 2,
                "once for each way to fail, the body's last poll is its context's last too"
            );
            tell.send(()).unwrap();
            background::drain().await;
        });
    });
}
