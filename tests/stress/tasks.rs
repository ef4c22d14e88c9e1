//! Tasks that enter contexts in every style, inside each other, and fail, panic, time out and are aborted meanwhile; some hand guards and stacks over to
//! each other.

use crate::{
    contexts::{
        Failed, Life, Planned, Policy, Work, boxed, entered, impatient, panic_as_planned, plain,
        with_context, within_both,
    },
    multi_thread,
    pool::{Item, Leaving, Left, Owned, Pool},
    record::{Id, Style, What, World},
    watch::Rounds,
};
use contextlib::{
    ExitStack, async_with,
    background::{drain, drain_timeout, lane},
    contexts::{move_on_after, timeout},
};
use contextlib_tests::{Dice, message};
use futures::{
    FutureExt,
    future::{Either, join, select},
};
use std::{panic::AssertUnwindSafe, task::Poll, time::Duration};
use tokio::task::{JoinError, JoinHandle, spawn_local, yield_now};

/// Half of them are aborted at some moment, while others wait for all that is pending.
#[test]
fn tasks_that_are_aborted() {
    aborted("tasks_that_are_aborted", false);
}

/// The same with blocks, and with rollbacks on threads.
#[test]
fn tasks_with_blocks_and_threads() {
    aborted("tasks_with_blocks_and_threads", true);
}

fn aborted(of: &'static str, varied: bool) {
    let runtime = multi_thread(4);
    let rounds = Rounds {
        of,
        number: 200,
        kept: &[],
        may_lose: false,
    };
    rounds.run(move |mut round| {
        let dice = &mut round.dice;
        let pool = Pool::default();
        let place = Place {
            may_block: true,
            varied,
            ..Place::of(&round.world, &pool)
        };
        runtime.block_on(async {
            let bodies = (0..16).map(|_| tokio::spawn(body(place.clone(), dice.fork(), DEPTH)));
            let tasks: Vec<_> = bodies.collect();
            for task in &tasks {
                if dice.once_in(2) {
                    for _ in 0..dice.below(10) {
                        yield_now().await;
                    }
                    task.abort();
                }
            }
            // Not in a task.
            let _ = dropped_at_some_poll(place.clone(), dice.fork(), DEPTH).await;
            wait_for_all(&place, dice, None).await;
            for task in tasks {
                let _ = joined(&place.world, task.await);
            }
        });
        drop(place);
        round.settle(|| {
            pool.clear();
            runtime.block_on(drain());
        });
    });
}

/// How many steps may be inside each other.
pub(crate) const DEPTH: u32 = 4;

/// Where something is done.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) world: World,
    /// Where things are handed over, if they are.
    pub(crate) pool: Option<Pool>,
    /// What contexts are inside that are entered here.
    pub(crate) inside: Option<Id>,
    /// The runtime is shut down meanwhile: a timer would panic then.
    pub(crate) shuts_down: bool,
    /// Whether there are contexts that block.
    pub(crate) may_block: bool,
    /// Whether it is in a `LocalSet`.
    pub(crate) local: bool,
    /// Whether there are blocks, and policies of one's own.
    pub(crate) varied: bool,
}

impl Place {
    /// In a task, at the root of its lane, of a runtime that goes on.
    pub(crate) fn of(world: &World, pool: &Pool) -> Place {
        Place {
            world: world.clone(),
            pool: Some(pool.clone()),
            inside: None,
            shuts_down: false,
            may_block: false,
            local: false,
            varied: false,
        }
    }

    pub(crate) fn inside(&self, id: Id) -> Place {
        let mut place = self.clone();
        place.inside = Some(id);
        place
    }

    /// For another task.
    pub(crate) fn elsewhere(&self) -> Place {
        let mut place = self.clone();
        place.inside = None;
        place
    }

    pub(crate) fn life(&self, dice: &mut Dice, style: Style) -> Life {
        let policy = match () {
            () if self.local && dice.once_in(3) => Policy::Local,
            () if self.varied && dice.once_in(6) => Policy::OnThread,
            () => Policy::any(dice, self.may_block),
        };
        self.life_by(policy, dice, style)
    }

    fn life_by(&self, policy: Policy, dice: &mut Dice, style: Style) -> Life {
        let life = Life::new(&self.world, policy, style, self.inside);
        let place = self.inside(life.id());
        life.boxed(dice.once_in(6)).does(
            Box::pin(setup(place.clone(), dice.fork())),
            Box::pin(teardown(place, dice.fork())),
        )
    }

    /// Entered by the setup or the teardown that this is inside. It always goes well.
    fn part(&self, dice: &mut Dice, style: Style) -> Life {
        let life = Life::new(&self.world, Policy::Default, style, self.inside);
        life.does(
            Box::pin(short(self.clone(), dice.fork())),
            Box::pin(short(self.clone(), dice.fork())),
        )
    }

    /// The same, which waits in its teardown for what was entered after it. It is to be dropped: in a teardown that becomes a rollback half-way, that would be
    /// for ever.
    fn draining_part(&self, dice: &mut Dice) -> Life {
        let life = Life::new(&self.world, Policy::Default, Style::Part, self.inside);
        let (place, mut drains) = (self.inside(life.id()), dice.fork());
        let teardown = async move {
            wait_for_all(&place, &mut drains, place.inside).await;
            Ok(())
        };
        let setup = short(self.clone(), dice.fork());
        life.does(Box::pin(setup), Box::pin(teardown))
    }

    /// For a stack, one after the other.
    fn entries(&self, dice: &mut Dice) -> Vec<Life> {
        let number = 1 + dice.below(3);
        let mut place = self.clone();
        let lives = (0..number).map(|_| {
            let life = place.life(dice, Style::Entry);
            place.inside = Some(life.id());
            life
        });
        lives.collect()
    }

    /// Something with a lane of its own.
    pub(crate) fn region(&self, name: &'static str) -> Place {
        self.inside(self.world.region(name, self.inside))
    }

    /// Whether this is going to be entered in a `with` that is over before it.
    fn leaves_a_with(&self, life: &Life, dice: &mut Dice) -> bool {
        // Of a future that is moved to another task, what that `with` was in isn't known there.
        self.pool.is_some() && self.world.leaves_a_with(life.id(), dice)
    }

    /// What a region does.
    async fn run(&self, dice: Dice, depth: u32) -> Result<(), Failed> {
        let _leaving = self.begin();
        body(self.clone(), dice, depth).await
    }

    /// To be called at the beginning of a region, and what is returned to be dropped at its end.
    pub(crate) fn begin(&self) -> Leaving {
        if let Some(region) = self.inside {
            self.world.note(region, What::Entered);
        }
        self.leaving()
    }

    /// To be dropped at the end of a body.
    pub(crate) fn leaving(&self) -> Leaving {
        Leaving::new(&self.world, self.inside.into_iter().collect())
    }

    pub(crate) fn left(&self, id: Id) -> Left {
        Left::new(&self.world, vec![id])
    }

    /// Hands it over, if things are handed over here.
    fn put(&self, item: Item) {
        match &self.pool {
            Some(pool) => pool.put(item, self.inside),
            None => drop(item),
        }
    }

    fn take(&self, dice: &mut Dice) -> Option<Item> {
        self.pool.as_ref()?.take(dice)
    }

    async fn pause(&self, dice: &mut Dice) {
        for _ in 0..dice.below(4) {
            yield_now().await;
        }
        if !self.shuts_down && dice.once_in(20) {
            tokio::time::sleep(Duration::from_micros(dice.below(1_500))).await;
        }
    }
}

async fn short(place: Place, mut dice: Dice) -> Result<(), Failed> {
    place.pause(&mut dice).await;
    Ok(())
}

async fn setup(place: Place, mut dice: Dice) -> Result<(), Failed> {
    place.pause(&mut dice).await;
    if dice.once_in(12) {
        drop(plain(place.part(&mut dice, Style::Part)).enter().await?);
    }
    ends(&mut dice, 8, 30)
}

async fn teardown(place: Place, mut dice: Dice) -> Result<(), Failed> {
    place.pause(&mut dice).await;
    match dice.below(14) {
        0 => drop(plain(place.part(&mut dice, Style::Part)).enter().await?),
        1 => {
            let around = place.part(&mut dice, Style::Part);
            let place = place.inside(around.id());
            plain(around)
                .with(async |_| -> Result<(), Failed> {
                    let guard = plain(place.part(&mut dice, Style::Guard));
                    drop(guard.enter().await?);
                    place.pause(&mut dice).await;
                    Ok(())
                })
                .await?;
        }
        2 => {
            let mut stack = Owned::new(&place.world, Vec::new(), ExitStack::new());
            for _ in 0..2 {
                stack.enter(place.part(&mut dice, Style::Part)).await?;
            }
            if dice.once_in(2) {
                stack.exit().await?;
            }
        }
        3 => match place.take(&mut dice) {
            Some(item) if dice.once_in(2) => item.exit_in(place.inside).await?,
            Some(item) => item.drop_in(place.inside),
            None => {}
        },
        4 => drop(plain(place.draining_part(&mut dice)).enter().await?),
        _ => {}
    }
    place.pause(&mut dice).await;
    ends(&mut dice, 8, 10)
}

/// Fails once in so many times, and panics once in so many.
pub(crate) fn ends(dice: &mut Dice, fails: u64, panics: u64) -> Result<(), Failed> {
    if dice.once_in(panics) {
        panic_as_planned();
    }
    if dice.once_in(fails) {
        Err(Failed)
    } else {
        Ok(())
    }
}

/// A few steps, one after the other.
pub(crate) fn body(place: Place, mut dice: Dice, depth: u32) -> Work {
    Box::pin(async move {
        for _ in 0..1 + dice.below(2) {
            step(place.clone(), dice.fork(), depth).await?;
            ends(&mut dice, 25, 40)?;
        }
        place.pause(&mut dice).await;
        Ok(())
    })
}

fn step(place: Place, mut dice: Dice, depth: u32) -> Work {
    let Some(depth) = depth.checked_sub(1) else {
        return Box::pin(short(place, dice));
    };
    match dice.below(21) {
        0 | 1 => Box::pin(closure_style(place, dice, depth)),
        2..5 => Box::pin(guard_style(place, dice, depth)),
        5 => Box::pin(two_guards(place, dice)),
        6 => Box::pin(in_a_scope(place, dice, depth)),
        7 | 8 => Box::pin(on_a_stack(place, dice, depth)),
        9 => Box::pin(in_a_tuple(place, dice, depth)),
        19 => Box::pin(in_an_impatient_one(place, dice, depth)),
        10 => Box::pin(with_little_time(place, dice, depth)),
        11 => Box::pin(in_branches(place, dice, depth)),
        12 => Box::pin(dropped_at_some_poll(place, dice, depth)),
        13 => Box::pin(in_a_task(place, dice, depth)),
        14 => Box::pin(moved_to_a_task(place, dice, depth)),
        15 | 16 => Box::pin(hand_over(place, dice)),
        17 | 18 => Box::pin(take(place, dice)),
        _ => Box::pin(async move {
            wait_for_all(&place, &mut dice, None).await;
            Ok(())
        }),
    }
}

async fn closure_style(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let life = place.life(&mut dice, Style::With);
    let inside = place.inside(life.id());
    let _left = place.left(life.id());
    let way = if place.varied { dice.below(3) } else { 0 };
    let body = async move {
        let _leaving = inside.leaving();
        body(inside.clone(), dice.fork(), depth).await
    };
    with_context!(life, |context| match way {
        0 => context.with(async |_| body.await).await,
        1 => async_with!(_ = context, async { body.await }).await,
        _ => {
            let outcome = context.outcome(async |_| body.await).await;
            outcome.context.and(outcome.body.unwrap_or(Err(Failed)))
        }
    })
}

async fn guard_style(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let life = place.life(&mut dice, Style::Guard);
    let inside = place.inside(life.id());
    let _left = place.left(life.id());
    let in_a_with = place.leaves_a_with(&life, &mut dice);
    with_context!(life, |context| {
        let guard = entered!(context, in_a_with)?;
        let leaving = inside.leaving();
        let ended = body(inside.clone(), dice.fork(), depth).await;
        drop(leaving);
        match dice.below(5) {
            0 => guard.exit().await?,
            1 => return guard.exit_with(ended).await,
            2 => guard.cancel().await?,
            _ => {
                drop(guard);
                place.pause(&mut dice).await;
            }
        }
        ended
    })
}

/// Dropped in this order or that. If the outer one is dropped first, it needn't wait.
async fn two_guards(place: Place, mut dice: Dice) -> Result<(), Failed> {
    let inner_first = dice.once_in(2);
    let life = place.life(&mut dice, Style::Guard);
    let inside = if inner_first {
        place.inside(life.id())
    } else {
        place.clone()
    };
    let in_a_with = place.leaves_a_with(&life, &mut dice);
    let outer = entered!(boxed(life), in_a_with)?;
    let life = inside.life(&mut dice, Style::Guard);
    let in_a_with = place.leaves_a_with(&life, &mut dice);
    let inner = entered!(boxed(life), in_a_with)?;
    if inner_first {
        drop(inner);
        drop(outer);
    } else {
        drop(outer);
        drop(inner);
    }
    place.pause(&mut dice).await;
    Ok(())
}

async fn in_a_scope(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let scope = place.region("the scope of a stack");
    let ended = ExitStack::<Failed>::scope(async |stack| {
        let mut leaving = scope.begin();
        let mut last = None;
        for life in scope.entries(&mut dice) {
            let id = life.id();
            with_context!(life, |context| {
                stack.enter(context).await?;
            });
            scope.world.pushed(id, last);
            leaving.add(id);
            last = Some(id);
        }
        let inside = last.map_or(scope.clone(), |last| scope.inside(last));
        body(inside, dice.fork(), depth).await
    });
    ended.await
}

async fn on_a_stack(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let mut stack = Owned::new(&place.world, Vec::new(), ExitStack::new());
    if dice.once_in(3) {
        let one = place.life(&mut dice, Style::Entry);
        let other = place.life(&mut dice, Style::Entry);
        stack.enter_both(one, other).await?;
    } else {
        for life in place.entries(&mut dice) {
            stack.enter(life).await?;
        }
    }
    let inside = stack
        .last()
        .map_or(place.clone(), |last| place.inside(last));
    body(inside, dice.fork(), depth).await?;
    if dice.once_in(2) {
        stack = stack.pop_all();
    }
    match dice.below(4) {
        0 => stack.exit().await,
        1 => stack.close().await?.exit().await,
        2 => {
            place.put(Item::Stack(stack));
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn in_a_tuple(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let outer = place.life_by(Policy::Spawn, &mut dice, Style::Outer);
    let (around, _left) = (place.inside(outer.id()), place.left(outer.id()));
    let style = Style::Inner(outer.id());
    let inner = around.life_by(Policy::Default, &mut dice, style);
    let (inside, _inner_left) = (around.inside(inner.id()), around.left(inner.id()));
    let body = async move {
        let _leaving = (inside.leaving(), around.leaving());
        body(inside.clone(), dice.fork(), depth).await
    };
    within_both(outer, inner, Box::pin(body)).await
}

/// In a context that may drop its body, within another one that has to wait for what that leaves.
async fn in_an_impatient_one(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let life = place.life_by(Policy::Default, &mut dice, Style::With);
    let (around, _left) = (place.inside(life.id()), place.left(life.id()));
    let part = around.part(&mut dice, Style::With);
    let inside = around.inside(part.id());
    let patience = short(place.clone(), dice.fork());
    let body = async move {
        let _leaving = (inside.leaving(), around.leaving());
        body(inside.clone(), dice.fork(), depth).await
    };
    let impatient = impatient(life, part, Box::pin(patience));
    impatient.with(async |_| body.await).await
}

async fn with_little_time(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    if place.shuts_down {
        return body(place, dice, depth).await;
    }
    let limit = Duration::from_micros(dice.below(1_000));
    let limited = place.region("a timeout");
    if dice.once_in(2) {
        let ended = timeout(limit).with(async |_| limited.run(dice.fork(), depth).await);
        ended.await
    } else {
        let moves_on = move_on_after(limit);
        let ended = moves_on.with(async |_| limited.run(dice.fork(), depth).await);
        ended.await.map(|_| ())
    }
}

/// Side by side, in lanes of their own; or until one of them is over.
async fn in_branches(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let branch = |dice: Dice| {
        let branch = place.region("a branch");
        Box::pin(lane(async move { branch.run(dice, depth).await }))
    };
    let (one, other) = (branch(dice.fork()), branch(dice.fork()));
    if dice.once_in(2) {
        let (one, other) = join(one, other).await;
        one.and(other)
    } else {
        match select(one, other).await {
            Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
        }
    }
}

async fn dropped_at_some_poll(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let inside = body(place, dice.fork(), depth);
    // Also by a panic that is caught.
    let mut inside = Box::pin(AssertUnwindSafe(inside).catch_unwind());
    for _ in 0..dice.below(12) {
        if let Poll::Ready(ended) = futures::poll!(inside.as_mut()) {
            return ended.unwrap_or(Err(Failed));
        }
        yield_now().await;
    }
    Ok(())
}

/// A task that is aborted with its handle.
struct Task(JoinHandle<Result<(), Failed>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn in_a_task(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let mut elsewhere = place.elsewhere();
    elsewhere.local &= dice.once_in(2);
    let spawn = match elsewhere.local {
        true => spawn_local,
        false => tokio::spawn,
    };
    let task = spawn(body(elsewhere, dice.fork(), depth));
    runs(&place, &mut dice, Task(task)).await
}

/// Begun in this task, and ended in another one.
async fn moved_to_a_task(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    // What two tasks have entered has no order where a third one drops it: nothing is handed over there, and what is inside isn't moved again. And where
    // a task is refused, it is dropped inside tokio, where nothing can block.
    if place.pool.is_none() || place.shuts_down && place.may_block {
        return in_a_task(place, dice, depth).await;
    }
    let mut moved = place.elsewhere();
    moved.pool = None;
    moved.local = false;
    let mut work = body(moved, dice.fork(), depth);
    for _ in 0..1 + dice.below(3) {
        if let Poll::Ready(ended) = futures::poll!(work.as_mut()) {
            return ended;
        }
        yield_now().await;
    }
    runs(&place, &mut dice, Task(tokio::spawn(work))).await
}

/// Waits for it, or for some time.
async fn runs(place: &Place, dice: &mut Dice, mut task: Task) -> Result<(), Failed> {
    if dice.once_in(2) {
        place.pause(dice).await;
        return Ok(());
    }
    joined(&place.world, (&mut task.0).await)
}

/// What a task has come to.
pub(crate) fn joined(
    world: &World,
    task: Result<Result<(), Failed>, JoinError>,
) -> Result<(), Failed> {
    task.unwrap_or_else(|error| {
        match error.try_into_panic() {
            Ok(payload) if !payload.is::<Planned>() => {
                world.complain(format!("a task has panicked: {}", message(&*payload)));
            }
            _ => {}
        }
        Err(Failed)
    })
}

async fn hand_over(place: Place, mut dice: Dice) -> Result<(), Failed> {
    let life = place.life(&mut dice, Style::Guard);
    let contexts = vec![life.id()];
    let in_a_with = place.leaves_a_with(&life, &mut dice);
    let exit: Work = with_context!(life, |context| {
        let guard = entered!(context, in_a_with)?;
        Box::pin(async move { guard.exit().await })
    });
    place.put(Item::Guard(Owned::new(&place.world, contexts, exit)));
    place.pause(&mut dice).await;
    Ok(())
}

/// Takes something that was handed over, and exits or drops it or adds to it.
async fn take(place: Place, mut dice: Dice) -> Result<(), Failed> {
    match (dice.below(4), place.take(&mut dice)) {
        (0, Some(item)) => item.exit_in(place.inside).await?,
        (1, Some(Item::Stack(mut stack))) => {
            for life in place.entries(&mut dice) {
                stack.enter(life).await?;
            }
            place.put(Item::Stack(stack));
        }
        (_, Some(item)) => item.drop_in(place.inside),
        (_, None) => {}
    }
    Ok(())
}

/// Waits until nothing is pending, or for some time; in a rollback, what was entered after its context.
pub(crate) async fn wait_for_all(place: &Place, dice: &mut Dice, after: Option<Id>) {
    let pending = place.world.rolled_back(after);
    if !place.shuts_down && dice.once_in(3) {
        let limit = Duration::from_micros(dice.below(500));
        if drain_timeout(limit).await.is_err() {
            return;
        }
    } else {
        drain().await;
    }
    place.world.check_over(&pending, "drain()");
}
