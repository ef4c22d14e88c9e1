//! Runtimes that are shut down while tasks run on them.

use crate::{
    current_thread, multi_thread,
    pool::Pool,
    tasks::{self, DEPTH, Place},
    watch::{Round, Rounds},
};
use contextlib_tests::Dice;
use std::time::Duration;
use tokio::{runtime::Runtime, task::yield_now};

#[test]
fn runtimes_that_are_shut_down() {
    let rounds = Rounds {
        of: "runtimes_that_are_shut_down",
        number: 300,
        kept: &[],
        may_lose: true,
    };
    rounds.run(|round| shut_down(round, false));
}

/// Some of which wait in vain, each for its time.
#[test]
fn shutdowns_with_contexts_that_block() {
    let rounds = Rounds {
        of: "shutdowns_with_contexts_that_block",
        number: 100,
        kept: &[],
        may_lose: true,
    };
    rounds.run(|round| shut_down(round, true));
}

fn shut_down(mut round: Round, may_block: bool) {
    let dice = &mut round.dice;
    let pool = Pool::default();
    let place = Place {
        shuts_down: true,
        may_block,
        ..Place::of(&round.world, &pool)
    };
    let runtime = match dice.below(3) {
        0 => current_thread(),
        _ => multi_thread(3),
    };
    runtime.block_on(async {
        for _ in 0..8 {
            let task = tokio::spawn(endless(place.clone(), dice.fork()));
            if dice.once_in(2) {
                for _ in 0..dice.below(10) {
                    yield_now().await;
                }
                task.abort();
            }
        }
    });
    drop(place);
    end(runtime, dice);
    // What was handed over outlives its runtime.
    round.settle(|| pool.clear());
}

async fn endless(place: Place, mut dice: Dice) {
    loop {
        let task = tasks::body(place.clone(), dice.fork(), DEPTH);
        let _ = task.await;
    }
}

pub(crate) fn end(runtime: Runtime, dice: &mut Dice) {
    match dice.below(3) {
        0 => drop(runtime),
        1 => runtime.shutdown_background(),
        _ => runtime.shutdown_timeout(Duration::from_millis(200)),
    }
}
