//! `LocalSet`s: at the root of a runtime, and inside contexts and of each other; run to their end, or dropped with tasks and rollbacks in them.

use crate::{
    contexts::{Failed, with_context},
    current_thread, multi_thread,
    pool::Pool,
    record::Style,
    shutdowns::end,
    tasks::{self, DEPTH, Place, ends, wait_for_all},
    watch::{Round, Rounds},
};
use contextlib::background::{drain, lane};
use contextlib_tests::Dice;
use futures::{FutureExt, future::join};
use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    task::{LocalSet, yield_now},
    time::sleep,
};

#[test]
fn local_sets_that_are_dropped() {
    let rounds = Rounds {
        of: "local_sets_that_are_dropped",
        number: 200,
        kept: &[],
        may_lose: true,
    };
    rounds.run(on_threads);
}

/// What is handed over goes from one thread to another one, whose `LocalSet` may be the one that it is rolled back on.
fn on_threads(mut round: Round) {
    let dice = &mut round.dice;
    let pool = Pool::default();
    let place = Place {
        shuts_down: dice.once_in(3),
        local: true,
        // None blocks: what only the blocked thread could run is waited for for ever.
        ..Place::of(&round.world, &pool)
    };
    let running = Arc::new(AtomicUsize::new(2));
    let threads = (0..2).map(|_| {
        let (place, dice, running) = (place.clone(), dice.fork(), running.clone());
        thread::spawn(move || on_a_runtime(place, dice, &running))
    });
    let threads: Vec<_> = threads.collect();
    let mut runtimes = Vec::new();
    for thread in threads {
        runtimes.extend(thread.join().expect("no panic that is planned gets so far"));
    }
    drop(place);
    round.settle(|| {
        pool.clear();
        for runtime in &runtimes {
            // For a while only: what is pending on one may wait for another one.
            runtime.block_on(async { sleep(Duration::from_millis(1)).await });
        }
    });
}

/// Returns the runtime, unless it is shut down.
fn on_a_runtime(place: Place, mut dice: Dice, running: &AtomicUsize) -> Option<Runtime> {
    let runtime = match dice.below(2) {
        0 => current_thread(),
        _ => multi_thread(2),
    };
    let shuts_down = place.shuts_down;
    // Outlives what runs it.
    let set = LocalSet::new();
    if dice.once_in(2) {
        fill(&set, &place, &mut dice, DEPTH);
        let root = work(place, dice.fork(), DEPTH);
        let _ = set.block_on(&runtime, AssertUnwindSafe(root).catch_unwind());
    } else {
        let root = in_a_set(place, dice.fork(), DEPTH);
        let _ = runtime.block_on(AssertUnwindSafe(root).catch_unwind());
    }
    running.fetch_sub(1, SeqCst);
    if shuts_down {
        end(runtime, &mut dice);
        return None;
    }
    if dice.once_in(2) {
        drop(set);
    } else {
        runtime.block_on(async { drop(set) });
    }
    // The others wait for what is rolled back on it.
    runtime.block_on(async {
        while running.load(SeqCst) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    Some(runtime)
}

type LocalWork = Pin<Box<dyn Future<Output = Result<(), Failed>>>>;

/// A few steps inside a `LocalSet`.
fn work(place: Place, mut dice: Dice, depth: u32) -> LocalWork {
    Box::pin(async move {
        for _ in 0..1 + dice.below(2) {
            step(place.clone(), dice.fork(), depth).await?;
            ends(&mut dice, 25, 40)?;
        }
        Ok(())
    })
}

fn step(place: Place, mut dice: Dice, depth: u32) -> LocalWork {
    let Some(depth) = depth.checked_sub(1) else {
        return tasks::body(place, dice, depth);
    };
    match dice.below(8) {
        0 | 1 => Box::pin(closure_style(place, dice, depth)),
        2 | 3 => Box::pin(guard_style(place, dice, depth)),
        4 => Box::pin(in_a_set(place, dice, depth)),
        5 => Box::pin(in_branches(place, dice, depth)),
        6 => Box::pin(async move {
            wait_for_all(&place, &mut dice, None).await;
            Ok(())
        }),
        _ => tasks::body(place, dice, depth),
    }
}

async fn closure_style(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let life = place.life(&mut dice, Style::With);
    let inside = place.inside(life.id());
    let _left = place.left(life.id());
    with_context!(life, |context| {
        let ended = context.with_local(async |_| -> Result<(), Failed> {
            let _leaving = inside.leaving();
            in_a_set(inside.clone(), dice.fork(), depth).await
        });
        ended.await
    })
}

async fn guard_style(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let life = place.life(&mut dice, Style::Guard);
    let inside = place.inside(life.id());
    let _left = place.left(life.id());
    with_context!(life, |context| {
        let guard = context.enter().await?;
        let leaving = inside.leaving();
        let ended = work(inside.clone(), dice.fork(), depth).await;
        drop(leaving);
        match dice.below(3) {
            0 => guard.exit_with(ended).await,
            1 => {
                guard.cancel().await?;
                ended
            }
            _ => ended,
        }
    })
}

/// In one of its own, which is dropped at the end.
async fn in_a_set(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let set = LocalSet::new();
    fill(&set, &place, &mut dice, depth);
    let ended = set.run_until(work(place, dice.fork(), depth)).await;
    match dice.below(3) {
        // Together with all that is rolled back on it.
        0 => set.await,
        1 => set.run_until(drain()).await,
        _ => {}
    }
    ended
}

/// Tasks, some of which are aborted.
fn fill(set: &LocalSet, place: &Place, dice: &mut Dice, depth: u32) {
    for _ in 0..1 + dice.below(3) {
        let work = work(place.elsewhere(), dice.fork(), depth);
        let task = set.spawn_local(work);
        if dice.once_in(3) {
            let times = dice.below(10);
            set.spawn_local(async move {
                for _ in 0..times {
                    yield_now().await;
                }
                task.abort();
            });
        }
    }
}

async fn in_branches(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let branch = |dice: Dice| {
        let branch = place.region("a branch");
        lane(async move {
            let _leaving = branch.begin();
            work(branch.clone(), dice, depth).await
        })
    };
    let (one, other) = join(branch(dice.fork()), branch(dice.fork())).await;
    one.and(other)
}
