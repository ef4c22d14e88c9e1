//! Guards, stacks and half-run futures that wander: between tasks, lanes, threads, two runtimes and other contexts, whose teardowns drop them, exit them or pass them on.

use crate::{
    contexts::{Failed, Life, Policy, Work, enter_both, entered, impatient, with_context},
    multi_thread,
    pool::{Item, Leaving, Owned, Pool},
    record::{Id, Style, What, World},
    tasks::{ends, joined},
    watch::Rounds,
};
use contextlib::{
    ExitStack,
    background::{drain, lane},
    contexts::move_on_after,
};
use contextlib_tests::Dice;
use futures::future::{Either, select};
use std::{task::Poll, thread, time::Duration};
use tokio::task::yield_now;

pub(crate) const DEPTH: u32 = 3;

#[test]
fn guards_stacks_and_futures_that_wander() {
    wander("guards_stacks_and_futures_that_wander", false);
}

#[test]
fn tuples_and_dropped_bodies_that_wander() {
    wander("tuples_and_dropped_bodies_that_wander", true);
}

fn wander(of: &'static str, varied: bool) {
    let runtimes = [multi_thread(3), multi_thread(2)];
    let rounds = Rounds {
        of,
        number: 300,
        kept: &[],
        may_lose: false,
    };
    rounds.run(move |mut round| {
        let dice = &mut round.dice;
        let pool = Pool::default();
        let place = Place {
            world: round.world.clone(),
            pool: pool.clone(),
            inside: None,
            shuts_down: false,
            varied,
        };
        let bodies = (0..12).map(|number| {
            let runtime = &runtimes[usize::from(number % 3 == 0)];
            runtime.spawn(body(place.clone(), dice.fork(), DEPTH))
        });
        let tasks: Vec<_> = bodies.collect();
        for task in &tasks {
            if dice.once_in(2) {
                thread::sleep(Duration::from_micros(dice.below(200)));
                task.abort();
            }
        }
        runtimes[0].block_on(async {
            for task in tasks {
                let _ = joined(&place.world, task.await);
            }
        });
        drop(place);
        round.settle(|| {
            pool.clear();
            for runtime in &runtimes {
                runtime.block_on(drain());
            }
        });
    });
}

/// Where something is done.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) pool: Pool,
    /// What contexts are inside that are entered here: something with a lane of its own. In the lane of a task there is none, since guards leave it that others
    /// are inside, and futures go on in other ones.
    pub(crate) inside: Option<Id>,
    /// The runtimes are shut down meanwhile: a timer would panic then.
    pub(crate) shuts_down: bool,
    /// Whether there are guards of tuples, contexts that drop their bodies, and policies of one's own.
    pub(crate) varied: bool,
}

impl Place {
    fn inside(&self, id: Id) -> Place {
        let mut place = self.clone();
        place.inside = Some(id);
        place
    }

    /// For what is going to leave.
    fn elsewhere(&self) -> Place {
        let mut place = self.clone();
        place.inside = None;
        place
    }

    fn life(&self, dice: &mut Dice, style: Style) -> Life {
        // None that blocks: in a rollback it doesn't wait for what was entered before the context of that, which here may be inside it.
        let policy = match self.varied && dice.once_in(6) {
            true => Policy::OnThread,
            false => Policy::any(dice, false),
        };
        self.life_by(policy, dice, style)
    }

    fn life_by(&self, policy: Policy, dice: &mut Dice, style: Style) -> Life {
        let life = Life::new(&self.world, policy, style, self.inside);
        let held = if dice.once_in(2) {
            self.pool.take(dice)
        } else {
            None
        };
        let place = self.inside(life.id());
        life.does(
            Box::pin(setup(place.clone(), dice.fork())),
            Box::pin(teardown(place, dice.fork(), held)),
        )
    }

    fn leaving(&self) -> Leaving {
        Leaving::new(&self.world, self.inside.into_iter().collect())
    }

    /// Something with a lane of its own, in which this runs.
    fn region(&self, name: &'static str, dice: Dice, depth: u32) -> (Id, Work) {
        let id = self.world.region(name, self.inside);
        let region = self.inside(id);
        let work = async move {
            region.world.note(id, What::Entered);
            let _leaving = region.leaving();
            body(region.clone(), dice, depth).await
        };
        (id, Box::pin(work))
    }

    fn put(&self, item: Item) {
        self.pool.put(item, self.inside);
    }

    fn empty_stack(&self) -> Owned<ExitStack<'static, Failed>> {
        Owned::new(&self.world, Vec::new(), ExitStack::new())
    }

    async fn push(
        &self,
        stack: &mut Owned<ExitStack<'static, Failed>>,
        dice: &mut Dice,
    ) -> Result<(), Failed> {
        stack.enter(self.life(dice, Style::Entry)).await
    }
}

async fn pause(place: &Place, dice: &mut Dice) {
    for _ in 0..dice.below(4) {
        yield_now().await;
    }
    if !place.shuts_down && dice.once_in(40) {
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
}

async fn short(place: Place, mut dice: Dice) -> Result<(), Failed> {
    pause(&place, &mut dice).await;
    Ok(())
}

async fn setup(place: Place, mut dice: Dice) -> Result<(), Failed> {
    pause(&place, &mut dice).await;
    ends(&mut dice, 20, 40)
}

async fn teardown(place: Place, mut dice: Dice, held: Option<Item>) -> Result<(), Failed> {
    pause(&place, &mut dice).await;
    match (dice.below(5), held) {
        (0, Some(item)) => item.drop_in(place.inside),
        (1, Some(item)) => place.put(item),
        (2, Some(item)) => item.exit_in(place.inside).await?,
        (_, _) => {
            if let Some(item) = place.pool.take(&mut dice) {
                item.drop_in(place.inside);
            }
        }
    }
    pause(&place, &mut dice).await;
    ends(&mut dice, 20, 20)
}

pub(crate) fn body(place: Place, mut dice: Dice, depth: u32) -> Work {
    Box::pin(async move {
        for _ in 0..1 + dice.below(3) {
            step(place.clone(), dice.fork(), depth).await?;
            ends(&mut dice, 40, 80)?;
        }
        Ok(())
    })
}

fn step(place: Place, mut dice: Dice, depth: u32) -> Work {
    let Some(depth) = depth.checked_sub(1) else {
        return Box::pin(async move {
            pause(&place, &mut dice).await;
            Ok(())
        });
    };
    match dice.below(12) {
        0 => Box::pin(closure_style(place, dice, depth)),
        1 | 2 => Box::pin(guard_style(place, dice, depth)),
        3 | 4 => Box::pin(take(place, dice)),
        5 | 6 => Box::pin(leave_half_run(place, dice, depth)),
        7 | 8 => Box::pin(on_a_stack(place, dice)),
        9 => Box::pin(add_to_a_stack(place, dice)),
        10 => Box::pin(with_little_time(place, dice, depth)),
        _ => Box::pin(in_branches(place, dice, depth)),
    }
}

async fn closure_style(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    if place.varied && dice.once_in(2) {
        return in_an_impatient_one(place, dice, depth).await;
    }
    let life = place.life(&mut dice, Style::With);
    let inside = place.inside(life.id());
    with_context!(life, |context| {
        let ended = context.with(async |_| -> Result<(), Failed> {
            let _leaving = inside.leaving();
            body(inside.clone(), dice.fork(), depth).await
        });
        ended.await
    })
}

/// In a context that may drop its body.
async fn in_an_impatient_one(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let life = place.life_by(Policy::Default, &mut dice, Style::With);
    let around = place.inside(life.id());
    let part = Life::new(&place.world, Policy::Default, Style::With, around.inside).does(
        Box::pin(short(place.clone(), dice.fork())),
        Box::pin(short(place.clone(), dice.fork())),
    );
    let inside = around.inside(part.id());
    let patience = short(place.clone(), dice.fork());
    let body = async move {
        let _leaving = (inside.leaving(), around.leaving());
        body(inside.clone(), dice.fork(), depth).await
    };
    let impatient = impatient(life, part, Box::pin(patience));
    impatient.with(async |_| body.await).await
}

/// Exited here, or handed over.
async fn guard_style(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    if place.varied && dice.once_in(2) {
        return guard_of_a_tuple(place, dice, depth).await;
    }
    let life = place.life(&mut dice, Style::Guard);
    let contexts = vec![life.id()];
    let in_a_with = place.world.leaves_a_with(life.id(), &mut dice);
    let exit: Work = with_context!(life, |context| {
        let guard = entered!(context, in_a_with)?;
        Box::pin(async move { guard.exit().await })
    });
    let guard = Owned::new(&place.world, contexts, exit);
    leave_or_exit(guard, place, dice, depth).await
}

async fn guard_of_a_tuple(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let outer = place.life_by(Policy::Spawn, &mut dice, Style::Outer);
    let around = place.inside(outer.id());
    let style = Style::Inner(outer.id());
    let inner = around.life_by(Policy::Default, &mut dice, style);
    let contexts = vec![outer.id(), inner.id()];
    let exit = enter_both(outer, inner).await?;
    let guard = Owned::new(&place.world, contexts, exit);
    leave_or_exit(guard, place, dice, depth).await
}

async fn leave_or_exit(
    guard: Owned<Work>,
    place: Place,
    mut dice: Dice,
    depth: u32,
) -> Result<(), Failed> {
    if dice.once_in(2) {
        place.put(Item::Guard(guard));
        return Ok(());
    }
    body(place, dice, depth).await?;
    guard.exit().await
}

async fn take(place: Place, mut dice: Dice) -> Result<(), Failed> {
    match (dice.below(3), place.pool.take(&mut dice)) {
        (0, Some(item)) => {
            // Off any runtime.
            thread::spawn(move || item.drop_in(None));
        }
        (1, Some(item)) => item.drop_in(place.inside),
        (_, Some(item)) => item.exit_in(place.inside).await?,
        (_, None) => {}
    }
    Ok(())
}

/// Begins something that is for others to go on with, in a lane of its own or not.
async fn leave_half_run(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let away = place.elsewhere();
    let (regions, mut future): (_, Work) = if dice.once_in(2) {
        let (id, work) = away.region("a branch", dice.fork(), depth);
        (vec![id], Box::pin(lane(work)))
    } else {
        (Vec::new(), body(away, dice.fork(), depth))
    };
    for _ in 0..dice.below(4) {
        if let Poll::Ready(ended) = futures::poll!(future.as_mut()) {
            return ended;
        }
    }
    place.put(Item::Future(Owned::new(&place.world, regions, future)));
    Ok(())
}

/// It is handed over, or its exit is, which has begun.
async fn on_a_stack(place: Place, mut dice: Dice) -> Result<(), Failed> {
    let mut stack = place.empty_stack();
    for _ in 0..1 + dice.below(3) {
        place.push(&mut stack, &mut dice).await?;
    }
    if dice.once_in(2) {
        place.put(Item::Stack(stack));
        return Ok(());
    }
    stack.hand_over();
    let mut exit: Work = Box::pin(stack.exit());
    for _ in 0..1 + dice.below(3) {
        if let Poll::Ready(ended) = futures::poll!(exit.as_mut()) {
            return ended;
        }
    }
    place.put(Item::Future(Owned::new(&place.world, Vec::new(), exit)));
    Ok(())
}

async fn add_to_a_stack(place: Place, mut dice: Dice) -> Result<(), Failed> {
    match place.pool.take(&mut dice) {
        Some(Item::Stack(mut stack)) => {
            place.push(&mut stack, &mut dice).await?;
            if dice.once_in(2) {
                stack = stack.pop_all();
            }
            place.put(Item::Stack(stack));
        }
        Some(item) => place.put(item),
        None => {}
    }
    Ok(())
}

async fn with_little_time(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    if place.shuts_down {
        return body(place, dice, depth).await;
    }
    let limited = move_on_after(Duration::from_micros(dice.below(500)));
    let (_, work) = place.region("a timeout", dice.fork(), depth);
    limited.with(async |_| work.await).await.map(|_| ())
}

/// Until one of two branches is over, one of which has no lane of its own.
async fn in_branches(place: Place, mut dice: Dice, depth: u32) -> Result<(), Failed> {
    let (_, work) = place.region("a branch", dice.fork(), depth);
    let one = lane(work);
    let other = body(place, dice.fork(), depth);
    match select(Box::pin(one), other).await {
        Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
    }
}
