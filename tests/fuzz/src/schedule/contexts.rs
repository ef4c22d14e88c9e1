//! The context functions.

use super::{
    plan::{End, Phase, Plan},
    queue::OnQueue,
    runs::run_child,
    say,
    waiting::{only_when_woken, pause, unless},
    world::{Failure, Id, Resource, World, panic_as_planned},
};
use contextlib::{
    BoxGuard, Exit, ExitKind, ExitStack, IntoContextManager, async_context, yield_resource,
};
use futures::FutureExt;
use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, atomic::Ordering},
};

#[async_context(on_cancel = OnQueue)]
pub(super) async fn plain(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let mut resource = set_up(&world, &plan).await?;
    let exit = yield_resource!(resource).kind();
    tear_down(&world, &plan, exit).await?;
    drop(resource);
}

#[async_context(on_cancel = OnQueue, suppress)]
pub(super) async fn suppressing(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let mut resource = set_up(&world, &plan).await?;
    let exit = yield_resource!(resource);
    exit.suppress();
    tear_down(&world, &plan, exit.kind()).await?;
    drop(resource);
}

#[async_context(on_cancel = OnQueue)]
pub(super) async fn wrapping(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let resource = set_up(&world, &plan).await?;
    let yielded = only_when_woken(async move { yield_resource!(move resource) });
    let (_resource, exit) = yielded.await;
    tear_down(&world, &plan, exit.kind()).await?;
}

#[async_context(on_cancel = OnQueue)]
pub(super) async fn expiring(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let resource = set_up(&world, &plan).await?;
    let yielded = unless(pause(&world), async move { yield_resource!(move resource) });
    match yielded.await {
        Some((_resource, exit)) => tear_down(&world, &plan, exit.kind()).await?,
        None => {
            // It can't wait for what its body has left behind: its own code goes on in the same poll.
            world.node(plan.id, |node| node.teardowns += 1);
            let torn = phase(&world, &plan.teardown, Failure::Teardown(plan.id)).await;
            let torn = torn.and(Err(Failure::Expired(plan.id)));
            world.node(plan.id, |node| node.teardown = Some(torn));
            return torn;
        }
    }
}

#[async_context(on_cancel = OnQueue)]
pub(super) async fn forwarding(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let inner = Inner::enter(&world, &plan.entries).await?;
    let mut resource = set_up(&world, &plan).await?;
    let exit = yield_resource!(resource);
    let kind = exit.kind();
    tell(&world, &plan.entries, kind);
    let _dropped = Dropped(&world, &plan.entries);
    let exited = AssertUnwindSafe(inner.exit_as(exit)).catch_unwind().await;
    let torn = tear_down(&world, &plan, kind).await;
    // What was a panic comes to nothing.
    world.node(plan.id, |node| node.teardown = None);
    let torn = exited
        .unwrap_or_else(|payload| resume_unwind(payload))
        .and(torn);
    world.node(plan.id, |node| node.teardown = Some(torn));
    torn?;
    drop(resource);
}

/// What a forwarding context enters: one, a tuple, or what is on a stack.
enum Inner {
    One(BoxGuard<'static, Resource, Failure>),
    Two(BoxGuard<'static, (Resource, Resource), Failure>),
    More(ExitStack<'static, Failure>),
}

impl Inner {
    async fn enter(world: &Arc<World>, entries: &[Arc<Plan>]) -> Result<Self, Failure> {
        let context = |entry: &Arc<Plan>| plain(world.clone(), entry.clone());
        let inner = match entries {
            [one] => Inner::One(context(one).boxed().enter().await?),
            [outer, inner] => {
                let both = (context(outer), context(inner))
                    .map_err(|one| one.either(|failure| failure, |failure| failure));
                Inner::Two(both.boxed().enter().await?)
            }
            more => {
                let stack = ExitStack::new();
                for entry in more {
                    let _: &mut Resource = stack.enter(context(entry)).await?;
                }
                Inner::More(stack)
            }
        };
        tell(world, entries, ExitKind::Cancelled);
        Ok(inner)
    }

    async fn exit_as(self, exit: Exit<'_>) -> Result<(), Failure> {
        match self {
            Inner::One(guard) => guard.exit_as(exit).await,
            Inner::Two(guard) => guard.exit_as(exit).await,
            Inner::More(stack) => stack.exit_as(exit).await,
        }
    }
}

/// What those are told, as long as none inside them fails in its teardown.
fn tell(world: &World, entries: &[Arc<Plan>], exit: ExitKind) {
    let mut told = Some(exit);
    for entry in entries.iter().rev() {
        world.node(entry.id, |node| node.exit = told);
        told = told.filter(|_| entry.teardown.is_well());
    }
}

/// Says that whoever exits those is dropped meanwhile, maybe: they may be told that instead, as if they were around each other's bodies. Not the innermost one.
struct Dropped<'w>(&'w World, &'w [Arc<Plan>]);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if let [around @ .., _] = self.1 {
            for entry in around {
                self.0.node(entry.id, |node| node.exit = None);
            }
        }
    }
}

async fn phase(world: &Arc<World>, phase: &Phase, failure: Failure) -> Result<(), Failure> {
    for _ in 0..phase.pauses {
        pause(world).await;
    }
    if let Some(child) = &phase.child {
        let _ = run_child(world, child).await;
    }
    match phase.ends {
        End::Well => Ok(()),
        End::Fails => Err(failure),
        End::Panics => panic_as_planned(),
    }
}

async fn set_up(world: &Arc<World>, plan: &Plan) -> Result<Resource, Failure> {
    phase(world, &plan.setup, Failure::Setup(plan.id)).await?;
    world.resources.fetch_add(1, Ordering::SeqCst);
    world.node(plan.id, |node| node.set_up = true);
    say(|| format!("{} is set up", plan.id));
    Ok(Resource(world.clone()))
}

async fn tear_down(world: &Arc<World>, plan: &Plan, exit: ExitKind) -> Result<(), Failure> {
    world.teardown_starts(plan.id, Some(exit));
    let torn = phase(world, &plan.teardown, Failure::Teardown(plan.id)).await;
    world.node(plan.id, |node| node.teardown = Some(torn));
    torn
}

/// Says that a context is over, however it ends.
struct Over(Arc<World>, Id);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.node(self.1, |node| node.over = true);
        say(|| format!("{} is over", self.1));
    }
}
