//! Several runtimes at once, of either kind, each of which begins and ends while the others run: what is entered on one of them is exited and dropped on another one,
//! on a plain thread, and after the end of its own. One begins on a thread of another one.

use crate::{
    contexts::{Failed, Life, Policy, Work, spawned},
    current_thread, multi_thread,
    pool::{Leaving, Left, Pool},
    record::{Style, World},
    shutdowns::end,
    tasks, wanderers,
    watch::{Round, Rounds},
};
use contextlib_tests::Dice;
use futures::FutureExt;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::{block_in_place, spawn_blocking, yield_now},
};

#[test]
fn runtimes_that_begin_and_end() {
    let rounds = Rounds {
        of: "runtimes_that_begin_and_end",
        number: 200,
        kept: &[],
        may_lose: true,
    };
    rounds.run(|round| tasks_side_by_side(round, false));
}

/// Some of which wait in vain, each for its time.
#[test]
fn runtimes_with_contexts_that_block() {
    let rounds = Rounds {
        of: "runtimes_with_contexts_that_block",
        number: 50,
        kept: &[],
        may_lose: true,
    };
    rounds.run(|round| tasks_side_by_side(round, true));
}

/// Futures that some task has begun wander, too.
#[test]
fn wanderers_whose_runtimes_end() {
    wander("wanderers_whose_runtimes_end", &[436_396], false);
}

/// So do tuples, contexts that drop their bodies, and rollbacks on threads.
#[test]
fn all_sorts_of_wanderers_whose_runtimes_end() {
    wander("all_sorts_of_wanderers_whose_runtimes_end", &[], true);
}

fn wander(of: &'static str, kept: &'static [u64], varied: bool) {
    let rounds = Rounds {
        of,
        number: 200,
        kept,
        may_lose: true,
    };
    rounds.run(move |round| {
        let pool = Pool::default();
        let place = wanderers::Place {
            world: round.world.clone(),
            pool: pool.clone(),
            inside: None,
            shuts_down: true,
            varied,
        };
        side_by_side(round, pool, move |dice| {
            wanderers::body(place.clone(), dice, wanderers::DEPTH)
        });
    });
}

fn tasks_side_by_side(round: Round, may_block: bool) {
    let pool = Pool::default();
    let place = tasks::Place {
        shuts_down: true,
        may_block,
        ..tasks::Place::of(&round.world, &pool)
    };
    side_by_side(round, pool, move |dice| {
        tasks::body(place.clone(), dice, tasks::DEPTH)
    });
}

fn side_by_side(mut round: Round, pool: Pool, body: impl Fn(Dice) -> Work + Send + Sync + 'static) {
    let dice = &mut round.dice;
    let runtimes = Runtimes {
        world: round.world.clone(),
        body: Arc::new(body),
        handles: Arc::default(),
    };
    let lives = (0..3).map(|_| {
        let (runtimes, dice) = (runtimes.clone(), dice.fork());
        thread::spawn(move || runtimes.live(dice, 2))
    });
    let lives: Vec<_> = lives.collect();
    runtimes.visit(&pool, dice.fork());
    for life in lives {
        life.join().expect("no runtime panics");
    }
    drop(runtimes);
    // What was handed over outlives its runtime.
    round.settle(|| pool.clear());
}

/// Those that have begun, some of which may be gone.
#[derive(Clone)]
struct Runtimes {
    world: World,
    /// What is done on them.
    body: Arc<dyn Fn(Dice) -> Work + Send + Sync>,
    handles: Arc<Mutex<Vec<Handle>>>,
}

impl Runtimes {
    /// From its beginning to its end.
    fn live(self, mut dice: Dice, depth: u32) {
        let runtime = match dice.below(2) {
            0 => current_thread(),
            _ => multi_thread(2),
        };
        self.add(runtime.handle());
        runtime.block_on(async {
            for _ in 0..1 + dice.below(4) {
                let task = tokio::spawn(self.clone().endless(dice.fork()));
                if dice.once_in(3) {
                    task.abort();
                }
            }
            if depth > 1 && dice.once_in(3) {
                let inner = self.clone().begin_within(dice.fork(), depth - 1);
                let _ = tokio::spawn(inner).await;
            }
            // Not in a task.
            let work = (self.body)(dice.fork());
            let mut work = AssertUnwindSafe(work).catch_unwind();
            for _ in 0..dice.below(20) {
                if futures::poll!(&mut work).is_ready() {
                    break;
                }
                yield_now().await;
            }
            for _ in 0..dice.below(100) {
                yield_now().await;
            }
        });
        end(runtime, &mut dice);
    }

    /// One on a thread of this one, which does nothing else meanwhile, inside a context's body.
    async fn begin_within(self, dice: Dice, depth: u32) -> Result<(), Failed> {
        let life = Life::new(&self.world, Policy::Spawn, Style::With, None);
        let world = self.world.clone();
        let contexts = vec![life.id()];
        let _left = Left::new(&world, contexts.clone());
        let ended = spawned(life).with(async |_| -> Result<(), Failed> {
            let _leaving = Leaving::new(&world, contexts);
            let begin = move || self.live(dice, depth);
            match Handle::current().runtime_flavor() {
                RuntimeFlavor::MultiThread => block_in_place(begin),
                _ => {
                    let _ = spawn_blocking(begin).await;
                }
            }
            Ok(())
        });
        ended.await
    }

    fn add(&self, handle: &Handle) {
        let mut handles = self.handles.lock().expect("nothing panics with it locked");
        handles.push(handle.clone());
    }

    fn any(&self, dice: &mut Dice) -> Option<Handle> {
        let handles = self.handles.lock().expect("nothing panics with it locked");
        let which = dice.below(handles.len().max(1) as u64) as usize;
        handles.get(which).cloned()
    }

    /// On a plain thread, now off all of them, now within one that others drive, or that is gone.
    fn visit(&self, pool: &Pool, mut dice: Dice) {
        for _ in 0..dice.below(40) {
            thread::sleep(Duration::from_micros(dice.below(100)));
            let handle = self.any(&mut dice);
            let _within = match dice.below(2) {
                0 => handle.as_ref().map(Handle::enter),
                _ => None,
            };
            let item = pool.take(&mut dice);
            match (dice.below(3), item) {
                (0, Some(item)) => {
                    let exit = || futures::executor::block_on(item.exit_in(None));
                    let _ = catch_unwind(AssertUnwindSafe(exit));
                }
                (1, _) if _within.is_some() => {
                    let work = (self.body)(dice.fork());
                    let run = || futures::executor::block_on(work);
                    let _ = catch_unwind(AssertUnwindSafe(run));
                }
                (_, Some(item)) => item.drop_in(None),
                (_, None) => {}
            }
        }
    }

    async fn endless(self, mut dice: Dice) {
        loop {
            let _ = (self.body)(dice.fork()).await;
            yield_now().await;
        }
    }
}
