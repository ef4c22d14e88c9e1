//! How the contexts are entered and left, and what has to come out of them.

use super::{
    contexts::{expiring, forwarding, plain, suppressing, wrapping},
    plan::{Child, End, Leave, Plan, Step, Style},
    queue::OnQueue,
    say,
    waiting::{both, pause, unless},
    world::{Failure, Id, Resource, World, panic_as_planned},
};
use contextlib::{
    AsyncContext, ContextManager, ExitKind, ExitStack, IntoContextManager, background,
    kind::Fallible,
};
use std::{future::Future, pin::Pin, sync::Arc, thread};

/// Enters a context, runs its body, and leaves it.
pub(super) fn run(
    world: Arc<World>,
    plan: Arc<Plan>,
) -> Pin<Box<dyn Future<Output = Result<u32, Failure>> + Send>> {
    Box::pin(async move {
        let (w, p) = (world.clone(), plan.clone());
        let body = async |_: &mut Resource| inside(&world, &plan, plan.id).await;
        let returned = match plan.style {
            Style::With => plain(w, p).with(body).await.map(Some),
            Style::Suppressing => suppressing(w, p).with(body).await,
            Style::Wrapping => wrapping(w, p).with(body).await.map(Some),
            Style::Expiring => expiring(w, p).with(body).await.map(Some),
            Style::Forwarding if plan.leave == Leave::ExitWith => {
                forwarding(w, p).with(body).await.map(Some)
            }
            Style::Forwarding => return guarded(&world, &plan, forwarding(w, p)).await,
            Style::Guard => return guarded(&world, &plan, plain(w, p)).await,
            Style::Stack => return stacked(&world, &plan).await,
            Style::Tuple => return tupled(&world, &plan).await,
        };
        assert_right(&world, &plan, returned);
        returned.map(|value| value.unwrap_or(0))
    })
}

/// What comes out of a context whose body didn't panic, or was swallowed.
fn assert_right(world: &World, plan: &Plan, returned: Result<Option<u32>, Failure>) {
    let id = plan.id;
    let (set_up, body, teardown) = world.node(id, |node| (node.set_up, node.body, node.teardown));
    let expected = match (body, teardown) {
        _ if !set_up => Err(not_set_up(world, plan)),
        (Some(Ok(value)), Some(Ok(()))) => Ok(Some(value)),
        (_, Some(Ok(()))) if plan.style == Style::Suppressing => Ok(None),
        (_, Some(Err(failure))) if plan.style == Style::Suppressing => Err(failure),
        (Some(Err(failure)), _) => Err(failure),
        (_, Some(Err(failure))) => Err(failure),
        (body, teardown) => panic!("{id} came back after {body:?} and {teardown:?}"),
    };
    assert_eq!(returned, expected, "what came out of {id}");
}

/// The failure of a setup: of the first one that it comes to.
fn not_set_up(world: &World, plan: &Plan) -> Failure {
    let entries = match plan.style {
        Style::Forwarding => &plan.entries[..],
        _ => &[],
    };
    let entries = entries.iter().map(|entry| entry.id);
    let failed = entries
        .clone()
        .find(|entry| !world.node(*entry, |node| node.set_up));
    Failure::Setup(failed.unwrap_or(plan.id))
}

/// The body of a context in closure style, of which `told` is told how it ended.
async fn inside(world: &Arc<World>, plan: &Plan, told: Id) -> Result<u32, Failure> {
    struct Ends<'w>(&'w World, Id);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            let exit = match thread::panicking() {
                true => ExitKind::Panicked,
                false => ExitKind::Cancelled,
            };
            self.0.node(self.1, |node| {
                node.exit.get_or_insert(exit);
            });
        }
    }

    let _ends = Ends(world, told);
    let returned = body(world, plan).await;
    world.node(told, |node| {
        node.exit = Some(kind(&returned));
        node.body = Some(returned);
    });
    returned
}

fn kind<T>(result: &Result<T, Failure>) -> ExitKind {
    match result {
        Ok(_) => ExitKind::Completed,
        Err(_) => ExitKind::Failed,
    }
}

async fn body(world: &Arc<World>, plan: &Plan) -> Result<u32, Failure> {
    for step in &plan.body {
        let returned = match step {
            Step::Pause => {
                pause(world).await;
                Ok(())
            }
            Step::Child(child) => run_child(world, child).await,
            Step::Join(children) => {
                let [one, other] = &**children;
                both(run_child(world, one), run_child(world, other)).await
            }
        };
        if !plan.tolerant {
            returned?;
        }
    }
    match plan.body_ends {
        End::Well => Ok(1),
        End::Fails => Err(Failure::Body(plan.id)),
        End::Panics => panic_as_planned(),
    }
}

async fn guarded<C>(
    world: &Arc<World>,
    plan: &Plan,
    context: ContextManager<C, OnQueue>,
) -> Result<u32, Failure>
where
    C: AsyncContext<Resource = Resource, Kind = Fallible<Failure>> + Send + 'static,
{
    let guard = context.enter().await?;
    // Whatever happens to the guard other than an exit.
    let told = |exit| world.node(plan.id, |node| node.exit = Some(exit));
    told(ExitKind::Cancelled);
    let returned = body(world, plan).await;
    match plan.leave {
        Leave::ExitWith => {
            told(kind(&returned));
            let exited = guard.exit_with(returned).await;
            let torn = world.node(plan.id, |node| node.teardown);
            let expected = match (returned, torn) {
                (Ok(_), Some(Err(failure))) => Err(failure),
                _ => returned,
            };
            assert_eq!(exited, expected, "what came out of the guard {}", plan.id);
            exited
        }
        Leave::Exit => {
            told(ExitKind::Completed);
            guard.exit().await?;
            returned
        }
        Leave::Cancel => {
            guard.cancel().await?;
            returned
        }
        Leave::Drop => {
            drop(guard);
            returned
        }
    }
}

async fn stacked(world: &Arc<World>, plan: &Arc<Plan>) -> Result<u32, Failure> {
    let stack = ExitStack::<Failure>::new();
    for entry in &plan.entries {
        let _: &mut Resource = stack.enter(plain(world.clone(), entry.clone())).await?;
    }
    let returned = body(world, plan).await;
    match plan.leave {
        Leave::ExitWith => stack.exit_with(returned).await,
        Leave::Exit => stack.exit().await.and(returned),
        Leave::Cancel => stack.cancel().await.and(returned),
        Leave::Drop => {
            drop(stack);
            returned
        }
    }
}

async fn tupled(world: &Arc<World>, plan: &Plan) -> Result<u32, Failure> {
    let [outer, inner] = &plan.entries[..] else {
        panic!("a tuple of two has two entries");
    };
    let context = |entry: &Arc<Plan>| plain(world.clone(), entry.clone());
    let returned = (context(outer), context(inner))
        .with(async |_| inside(world, plan, inner.id).await)
        .await;
    let became = |id| world.node(id, |node| (node.set_up, node.teardown));
    let expected = match (became(outer.id), became(inner.id)) {
        ((false, _), _) => Err(Failure::Setup(outer.id)),
        (_, (false, _)) => Err(Failure::Setup(inner.id)),
        ((_, Some(outer_torn)), (_, Some(inner_torn))) => {
            let body = world.node(inner.id, |node| node.body);
            let body = body.expect("it is over");
            body.and_then(|value| inner_torn.and(outer_torn).map(|()| value))
        }
        became => panic!("a tuple came back after {became:?}"),
    };
    assert_eq!(returned, expected, "what came out of the tuple {}", plan.id);
    returned
}

/// Runs a context inside another one, or until something else is ready.
pub(super) async fn run_child(world: &Arc<World>, child: &Child) -> Result<(), Failure> {
    let mut running = run(world.clone(), child.plan.clone());
    if child.branch {
        running = Box::pin(background::lane(running));
    }
    if !child.raced {
        return running.await.map(drop);
    }
    match unless(pause(world), running).await {
        Some(returned) => returned.map(drop),
        None => {
            say(|| format!("{} is dropped", child.plan.id));
            Ok(())
        }
    }
}
