//! The same trees with the library: what the model foretells has to be what happens.

use crate::{
    trace::{self, Event, Failure, Seen, Told},
    tree::{
        Body, End, Entry, Id, Leave, Node, Part, Phase, Several, Sort, StackLeave, Step, Style,
        UNIT, Via,
    },
};
use contextlib::{
    AsyncContextManager, Exit, ExitStack, IntoContextManager, async_context, async_with,
    background, contexts::from_fn, kind::Fallible, move_on_after, null_context, report,
    set_report_hook, timeout, within, yield_resource,
};
use std::{
    any::Any,
    cell::Cell,
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};
use tokio::time::sleep;

/// What runs a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    BlockOn,
    Task,
    /// `background::lane`
    Lane,
}

/// Runs `tree`, and drops it at the suspension point with the number `cut`.
pub(crate) fn run(tree: &Arc<Node>, cut: Option<usize>, carrier: Carrier) -> Seen {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        set_report_hook(|report| {
            let mut reports = lock(&REPORTS);
            match report.failure {
                report::Failure::Unexited => reports.1 += 1,
                report::Failure::Error(error) => {
                    reports.0.push(format!("{error:?} after {:?}", report.exit));
                }
                report::Failure::Panic(payload) => {
                    let failure = planned(payload);
                    reports
                        .0
                        .push(format!("panic {failure:?} after {:?}", report.exit));
                }
                ref other => reports.0.push(format!("{other}")),
            }
        });
    });
    *lock(&REPORTS) = Default::default();
    let world = Arc::new(World {
        cut,
        ..World::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime starts");
    // On paused time this is over at once if nothing else is left to wait for.
    let long = Duration::from_millis(UNIT * 1000);
    let end = runtime.block_on(async {
        let driven = drive(world.clone(), node(world.clone(), tree.clone()));
        let driven = tokio::time::timeout(long, async {
            match carrier {
                Carrier::BlockOn => driven.await,
                Carrier::Task => tokio::spawn(driven).await.expect("panics are caught"),
                Carrier::Lane => background::lane(driven).await,
            }
        });
        let end = driven.await.expect("it comes to an end");
        background::drain_timeout(long)
            .await
            .expect("nothing is stuck");
        assert_eq!(background::pending(), 0);
        end
    });
    drop(runtime);
    assert_eq!(background::lanes_in_use(), 0);
    let (reports, unexited) = std::mem::take(&mut *lock(&REPORTS));
    let events = std::mem::take(&mut *lock(&world.events));
    Seen {
        events,
        end,
        reports,
        unexited,
    }
}

static REPORTS: Mutex<(Vec<String>, usize)> = Mutex::new((Vec::new(), 0));

thread_local! {
    /// Whether what is polled is the tree, and no rollback.
    static IN_TREE: Cell<bool> = const { Cell::new(false) };
}

async fn drive(world: Arc<World>, tree: Running) -> trace::End {
    let mut tree = Some(tree);
    poll_fn(|cx| {
        let Some(running) = &mut tree else {
            panic!("it is over");
        };
        let before = IN_TREE.replace(true);
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
        IN_TREE.set(before);
        Poll::Ready(match polled {
            Ok(Poll::Ready(returned)) => trace::End::Returned(returned),
            Err(payload) => trace::End::Panicked(planned(&*payload)),
            Ok(Poll::Pending) if world.cut_now.load(Ordering::Relaxed) => {
                tree = None;
                trace::End::Dropped
            }
            Ok(Poll::Pending) => return Poll::Pending,
        })
    })
    .await
}

#[derive(Default)]
struct World {
    events: Mutex<Vec<Event>>,
    steps: AtomicUsize,
    cut: Option<usize>,
    cut_now: AtomicBool,
}

impl World {
    fn event(&self, event: Event) {
        lock(&self.events).push(event);
    }

    /// Suspends once.
    async fn pause(&self) {
        let mut suspended = false;
        poll_fn(|cx| {
            if suspended {
                return Poll::Ready(());
            }
            suspended = true;
            if IN_TREE.get() && Some(self.steps.fetch_add(1, Ordering::Relaxed)) == self.cut {
                self.cut_now.store(true, Ordering::Relaxed);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn planned(payload: &(dyn Any + Send)) -> Failure {
    match payload.downcast_ref() {
        Some(failure) => *failure,
        None => panic!(
            "a panic that nobody planned: {:?}",
            payload.downcast_ref::<String>()
        ),
    }
}

/// Says when it is dropped.
struct WhenDropped(Arc<World>, Event);

impl Drop for WhenDropped {
    fn drop(&mut self) {
        self.0.event(self.1);
    }
}

// ---- The parts of a context.

impl End {
    fn now(self, failure: Failure) -> Result<(), Failure> {
        match self {
            End::Well => Ok(()),
            End::Fails => Err(failure),
            // Not by the panic hook, which would print thousands of them.
            End::Panics => resume_unwind(Box::new(failure)),
        }
    }
}

async fn steps(world: &Arc<World>, steps: &[Step], tolerant: bool) -> Result<(), Failure> {
    for step in steps {
        match step {
            Step::Yield => world.pause().await,
            Step::Sleep => {
                world.pause().await;
                sleep(Duration::from_millis(UNIT)).await;
            }
            Step::Run(child) => {
                let child = node(world.clone(), child.clone());
                let returned = match steps.len() {
                    3 => background::lane(child).await,
                    _ => child.await,
                };
                if !tolerant {
                    returned?;
                }
            }
        }
    }
    Ok(())
}

async fn phase(world: &Arc<World>, phase: &Phase, failure: Failure) -> Result<(), Failure> {
    steps(world, &phase.steps, true).await?;
    phase.ends.now(failure)
}

async fn set_up(world: &Arc<World>, part: &Part) -> Result<(), Failure> {
    phase(world, &part.setup, Failure::Setup(part.id)).await?;
    world.event(Event::SetUp(part.id));
    Ok(())
}

fn told<S>(exit: &Exit<'_, S>) -> Told {
    match exit {
        Exit::Completed => Told::Completed,
        Exit::Failed(error) => Told::Failed(match error.downcast_ref() {
            Some(failure) => *failure,
            None => panic!("no error of this test's: {error:?}"),
        }),
        Exit::Panicked(panic) => {
            Told::Panicked(*panic.downcast_ref().expect("a panic of this test's"))
        }
        Exit::Cancelled => Told::Cancelled,
    }
}

async fn tear_down(world: &Arc<World>, part: &Part, told: Told) -> Result<(), Failure> {
    world.event(Event::TeardownBegins(part.id, told));
    phase(world, &part.teardown, Failure::Teardown(part.id)).await?;
    world.event(Event::TornDown(part.id));
    Ok(())
}

fn frame(world: &Arc<World>, id: Id) -> WhenDropped {
    WhenDropped(world.clone(), Event::FrameIsGone(id))
}

async fn body(world: &Arc<World>, id: Id, body: &Body) -> Result<Id, Failure> {
    world.event(Event::BodyBegins(id));
    let _gone = WhenDropped(world.clone(), Event::BodyIsGone(id));
    steps(world, &body.steps, body.tolerant).await?;
    body.ends.now(Failure::Body(id))?;
    Ok(id)
}

// ---- The contexts.

#[async_context]
async fn spawned(world: Arc<World>, part: Arc<Part>) -> Result<(), Failure> {
    let _frame = frame(&world, part.id);
    world.event(Event::SetupBegins(part.id));
    set_up(&world, &part).await?;
    let exit = yield_resource!();
    tear_down(&world, &part, told(&exit)).await?;
}

#[async_context(on_cancel = drop)]
async fn dropped(world: Arc<World>, part: Arc<Part>) -> Result<(), Failure> {
    let _frame = frame(&world, part.id);
    world.event(Event::SetupBegins(part.id));
    set_up(&world, &part).await?;
    let exit = yield_resource!();
    tear_down(&world, &part, told(&exit)).await?;
}

#[async_context(setup = finish)]
async fn finishing(world: Arc<World>, part: Arc<Part>) -> Result<(), Failure> {
    let _frame = frame(&world, part.id);
    world.event(Event::SetupBegins(part.id));
    set_up(&world, &part).await?;
    let exit = yield_resource!();
    tear_down(&world, &part, told(&exit)).await?;
}

#[async_context(suppress)]
async fn suppressing(world: Arc<World>, part: Arc<Part>) -> Result<(), Failure> {
    let _frame = frame(&world, part.id);
    world.event(Event::SetupBegins(part.id));
    set_up(&world, &part).await?;
    let exit = yield_resource!();
    if part.sort.suppresses() {
        exit.suppress();
    }
    tear_down(&world, &part, told(&exit)).await?;
}

#[async_context]
async fn wrapping(world: Arc<World>, part: Arc<Part>) -> Result<(), Failure> {
    let _frame = frame(&world, part.id);
    world.event(Event::SetupBegins(part.id));
    set_up(&world, &part).await?;
    let Sort::Wrapping(delay) = part.sort else {
        panic!("no wrapping context");
    };
    let delay = Duration::from_millis(delay.millis());
    let ended = tokio::time::timeout(delay, async { yield_resource!(move ()).1 }).await;
    let Ok(exit) = ended else {
        world.event(Event::Left(part.id));
        phase(&world, &part.teardown, Failure::Teardown(part.id)).await?;
        return Err(Failure::Left(part.id));
    };
    tear_down(&world, &part, told(&exit)).await?;
}

fn closures(
    world: Arc<World>,
    part: Arc<Part>,
) -> contextlib::ContextManager<
    impl contextlib::AsyncContext<Resource = WhenDropped, Kind = Fallible<Failure>> + Send + 'static,
> {
    let (world2, part2) = (world.clone(), part.clone());
    from_fn(
        move || async move {
            let frame = frame(&world, part.id);
            world.event(Event::SetupBegins(part.id));
            set_up(&world, &part).await?;
            Ok(frame)
        },
        async move |frame: WhenDropped, exit: Exit<'_>| {
            let _frame = frame;
            tear_down(&world2, &part2, told(&exit)).await
        },
    )
}

struct Struct(Arc<World>, Arc<Part>);

impl AsyncContextManager for Struct {
    type Resource = WhenDropped;
    type Kind = Fallible<Failure>;

    async fn enter(&mut self) -> Result<WhenDropped, Failure> {
        let frame = frame(&self.0, self.1.id);
        self.0.event(Event::SetupBegins(self.1.id));
        set_up(&self.0, &self.1).await?;
        Ok(frame)
    }

    async fn exit(&mut self, frame: WhenDropped, exit: Exit<'_>) -> Result<(), Failure> {
        let _frame = frame;
        tear_down(&self.0, &self.1, told(&exit)).await
    }
}

// ---- What is entered.

type Running = Pin<Box<dyn Future<Output = Result<Option<Id>, Failure>> + Send>>;

/// A value that may be missing, in the type or not.
trait Value {
    fn get(self) -> Option<Id>;
}

impl Value for Id {
    fn get(self) -> Option<Id> {
        Some(self)
    }
}

impl<V: Value> Value for Option<V> {
    fn get(self) -> Option<Id> {
        self.and_then(Value::get)
    }
}

/// Runs a piece of code with `$context` as a call of the context function that is asked for.
macro_rules! for_sort {
    ($world:ident, $part:ident, |$context:ident| $run:expr) => {{
        let (world, part) = ($world.clone(), $part.clone());
        match $part.sort {
            Sort::Spawn => {
                let $context = spawned(world, part);
                $run
            }
            Sort::Drop => {
                let $context = dropped(world, part);
                $run
            }
            Sort::Finish => {
                let $context = finishing(world, part);
                $run
            }
            Sort::Suppressing(_) => {
                let $context = suppressing(world, part);
                $run
            }
            Sort::FromFn => {
                let $context = closures(world, part);
                $run
            }
            Sort::Boxed => {
                let $context = spawned(world, part).boxed();
                $run
            }
            Sort::Protocol => {
                let $context = Struct(world, part).into_context_manager();
                $run
            }
            Sort::Wrapping(_) => panic!("it has no guard"),
        }
    }};
}

/// The same in closure style.
macro_rules! around_body {
    ($world:ident, $part:ident, |$context:ident| $run:expr) => {
        match $part.sort {
            Sort::Wrapping(_) => {
                let $context = wrapping($world.clone(), $part.clone());
                $run
            }
            _ => for_sort!($world, $part, |$context| $run),
        }
    };
}

fn node(world: Arc<World>, node: Arc<Node>) -> Running {
    Box::pin(async move {
        let (id, returned) = match &*node {
            Node::One {
                style: Style::With,
                part,
                body: inside,
            } => {
                let id = part.id;
                let returned = around_body!(world, part, |context| {
                    context
                        .with(async |_| body(&world, id, inside).await)
                        .await
                        .map(Value::get)
                });
                (id, returned)
            }
            Node::One {
                style: Style::Outcome,
                part,
                body: inside,
            } => (part.id, outcome(&world, part, inside).await),
            Node::One {
                style: Style::Guard(leave),
                part,
                body: inside,
            } => (part.id, guard(&world, part, inside, *leave).await),
            Node::Several {
                id,
                how,
                parts,
                body,
            } => (*id, several(&world, *id, *how, parts, body).await),
            Node::Stack {
                id,
                suppressing,
                leave,
                entries,
                body,
            } => {
                let returned = match suppressing {
                    true => stack_suppressing(&world, *id, *leave, entries, body).await,
                    false => stack_strict(&world, *id, *leave, entries, body).await,
                };
                (*id, returned)
            }
            Node::Timeout {
                id,
                moves_on,
                delay,
                body: inside,
            } => {
                let delay = Duration::from_millis(delay.millis());
                let inside = async |_: &mut _| body(&world, *id, inside).await;
                let returned = match moves_on {
                    true => move_on_after(delay).with(inside).await,
                    false => timeout(delay).with(inside).await.map(Some),
                };
                (*id, returned)
            }
        };
        world.event(Event::Returned(id, returned));
        returned
    })
}

async fn outcome(
    world: &Arc<World>,
    part: &Arc<Part>,
    inside: &Body,
) -> Result<Option<Id>, Failure> {
    let outcome = around_body!(world, part, |context| {
        context
            .outcome(async |_| body(world, part.id, inside).await)
            .await
    });
    world.event(Event::Outcome(
        part.id,
        outcome.body,
        outcome.suppressed,
        outcome.context,
    ));
    outcome.context?;
    match outcome.body {
        Some(Err(failure)) if !outcome.suppressed => Err(failure),
        body => Ok(body.and_then(Result::ok)),
    }
}

async fn guard(
    world: &Arc<World>,
    part: &Arc<Part>,
    inside: &Body,
    leave: Leave,
) -> Result<Option<Id>, Failure> {
    for_sort!(world, part, |context| {
        // Where it is entered, it counts as entered where it goes to. Only what its setup leaves behind is waited for there.
        let place = if enters_nothing(&part.setup.steps) {
            part.id
        } else {
            0
        };
        let guard = somewhere(place, async move { context.enter().await }).await?;
        let returned = body(world, part.id, inside).await;
        match leave {
            Leave::ExitWith => guard.exit_with(returned).await.map(Value::get),
            Leave::Exit => {
                guard.exit().await?;
                returned.map(Some)
            }
            Leave::Cancel => {
                guard.cancel().await?;
                returned.map(Some)
            }
            Leave::Drop => {
                match part.id % 4 {
                    0 => drop(guard),
                    // There it isn't known which body or rollback it had gone to, nor what is pending in that.
                    1 if enters_nothing(&inside.steps) => thread::scope(|scope| {
                        scope.spawn(|| drop(guard));
                    }),
                    _ => somewhere(part.id / 4, async { drop(guard) }).await,
                }
                returned.map(Some)
            }
            Leave::QuestionMark => {
                let value = returned?;
                guard.exit().await?;
                Ok(Some(value))
            }
        }
    })
}

fn enters_nothing(steps: &[Step]) -> bool {
    !steps.iter().any(|step| matches!(step, Step::Run(_)))
}

/// Runs it in one of the places that make no difference, the same one for the same number.
async fn somewhere<T: Send>(number: usize, what: impl Future<Output = T> + Send) -> T {
    match number % 5 {
        0 => what.await,
        1 => null_context(()).run(async |_| what.await).await,
        2 => {
            let inner = async |_: &mut ()| null_context(()).run(async |_| what.await).await;
            null_context(()).run(inner).await
        }
        3 => within_nothing(what).await,
        _ => {
            let inside = async |_: &mut _| Ok::<_, Infallible>(what.await);
            let Ok(value) = (null_context(()), null_context(())).with(inside).await;
            value
        }
    }
}

#[within(null_context(()))]
async fn within_nothing<T: Send>(what: impl Future<Output = T> + Send) -> T {
    what.await
}

async fn several(
    world: &Arc<World>,
    id: Id,
    how: Several,
    parts: &[Arc<Part>],
    inside: &Body,
) -> Result<Option<Id>, Failure> {
    let swallows = |part: &Part| matches!(part.sort, Sort::Suppressing(_));
    macro_rules! tuple {
        ($($context:ident),*) => {{
            let mut parts = parts.iter().cloned();
            let mut next = || (world.clone(), parts.next().expect("there are so many"));
            let contexts = ($({ let (world, part) = next(); $context(world, part) },)*);
            contexts.with(async |_| body(world, id, inside).await).await.map(Value::get)
        }};
    }
    macro_rules! block {
        ($($name:ident = $context:ident),*) => {{
            let mut parts = parts.iter().cloned();
            let mut next = || (world.clone(), parts.next().expect("there are so many"));
            $(let $name = { let (world, part) = next(); $context(world, part) };)*
            async_with!($($name = $name),*, async || -> Result<Id, Failure> { body(world, id, inside).await })
                .await
                .map(Value::get)
        }};
    }
    if how == Several::DroppedTuple {
        return match parts {
            [_, _] => tuple!(dropped, dropped),
            _ => tuple!(dropped, dropped, dropped),
        };
    }
    let swallow: Vec<bool> = parts.iter().map(|part| swallows(part)).collect();
    let drops: Vec<bool> = parts.iter().map(|part| part.sort == Sort::Drop).collect();
    if how == Several::Tuple {
        return match *swallow {
            [false, false] => tuple!(spawned, spawned),
            [false, true] => tuple!(spawned, suppressing),
            [true, false] => tuple!(suppressing, spawned),
            [true, true] => tuple!(suppressing, suppressing),
            [false, false, false] => tuple!(spawned, spawned, spawned),
            [false, true, false] => tuple!(spawned, suppressing, spawned),
            [true, false, false] => tuple!(suppressing, spawned, spawned),
            _ => tuple!(suppressing, suppressing, suppressing),
        };
    }
    match (&*swallow, &*drops) {
        ([false, false], [false, false]) => block!(_a = spawned, _b = spawned),
        ([false, false], [true, false]) => block!(_a = dropped, _b = spawned),
        ([false, false], [false, true]) => block!(_a = spawned, _b = dropped),
        ([false, false], _) => block!(_a = dropped, _b = dropped),
        ([false, true], [true, false]) => block!(_a = dropped, _b = suppressing),
        ([false, true], _) => block!(_a = spawned, _b = suppressing),
        ([true, false], [false, true]) => block!(_a = suppressing, _b = dropped),
        ([true, false], _) => block!(_a = suppressing, _b = spawned),
        ([true, true], _) => block!(_a = suppressing, _b = suppressing),
        ([_, _, _], [true, _, _]) => block!(_a = dropped, _b = suppressing, _c = suppressing),
        ([_, _, _], [_, _, true]) => block!(_a = suppressing, _b = suppressing, _c = dropped),
        ([false, false, false], _) => block!(_a = spawned, _b = spawned, _c = spawned),
        ([false, ..], _) => block!(_a = spawned, _b = suppressing, _c = suppressing),
        _ => block!(_a = suppressing, _b = suppressing, _c = suppressing),
    }
}

macro_rules! enter_on {
    ($world:ident, $part:ident, $stack:ident, $enter:ident, yes) => {
        for_sort!($world, $part, |context| {
            let _ = $stack.$enter(context).await?;
        })
    };
    ($world:ident, $part:ident, $stack:ident, $enter:ident, no) => {{
        let (world, part) = ($world.clone(), $part.clone());
        match part.sort {
            Sort::Drop => {
                let _ = $stack.$enter(dropped(world, part)).await?;
            }
            Sort::Finish => {
                let _ = $stack.$enter(finishing(world, part)).await?;
            }
            Sort::FromFn => {
                let _ = $stack.$enter(closures(world, part)).await?;
            }
            Sort::Boxed => {
                let _ = $stack.$enter(spawned(world, part).boxed()).await?;
            }
            Sort::Protocol => {
                let _ = $stack.$enter(Struct(world, part)).await?;
            }
            _ => {
                let _ = $stack.$enter(spawned(world, part)).await?;
            }
        }
    }};
}

macro_rules! swallow {
    (yes, $exit:ident, $part:ident) => {
        if $part.sort.suppresses() {
            $exit.suppress();
        }
    };
    (no, $exit:ident, $part:ident) => {};
}

macro_rules! stack {
    ($name:ident, $kind:ty, $new:ident, $scope:ident, suppressing: $suppressing:tt) => {
        async fn $name(
            world: &Arc<World>,
            id: Id,
            leave: StackLeave,
            entries: &[Entry],
            inside: &Body,
        ) -> Result<Option<Id>, Failure> {
            async fn enter(
                world: &Arc<World>,
                stack: &ExitStack<'static, Failure, $kind>,
                entries: &[Entry],
            ) -> Result<(), Failure> {
                for Entry { via, part } in entries {
                    match via {
                        Via::Enter => enter_on!(world, part, stack, enter, $suppressing),
                        Via::EnterKey => enter_on!(world, part, stack, enter_key, $suppressing),
                        Via::Callback => {
                            let frame = frame(world, part.id);
                            let part = part.clone();
                            stack.callback(move || {
                                let world = &frame.0;
                                world.event(Event::TeardownBegins(part.id, Told::Nothing));
                                part.teardown.ends.now(Failure::Teardown(part.id))?;
                                world.event(Event::TornDown(part.id));
                                Ok::<_, Failure>(())
                            });
                        }
                        Via::AsyncCallback => {
                            let frame = frame(world, part.id);
                            let part = part.clone();
                            stack.async_callback(async move || {
                                let frame = frame;
                                tear_down(&frame.0, &part, Told::Nothing).await
                            });
                        }
                        Via::Push => {
                            let frame = frame(world, part.id);
                            let part = part.clone();
                            stack.push(async move |exit: Exit<'_, $kind>| {
                                let frame = frame;
                                swallow!($suppressing, exit, part);
                                tear_down(&frame.0, &part, told(&exit)).await
                            });
                        }
                    }
                }
                Ok(())
            }

            if leave == StackLeave::Scope {
                return ExitStack::<Failure>::$scope(async |stack| {
                    enter(world, stack, entries).await?;
                    body(world, id, inside).await
                })
                .await
                .map(Value::get);
            }
            let stack = ExitStack::<Failure>::$new();
            enter(world, &stack, entries).await?;
            let returned = body(world, id, inside).await;
            match leave {
                StackLeave::ExitWith | StackLeave::Scope => {
                    stack.exit_with(returned).await.map(Value::get)
                }
                StackLeave::Exit => {
                    stack.exit().await?;
                    returned.map(Some)
                }
                StackLeave::Cancel => {
                    stack.cancel().await?;
                    returned.map(Some)
                }
                StackLeave::Drop => {
                    drop(stack);
                    returned.map(Some)
                }
            }
        }
    };
}

stack!(stack_strict, contextlib::kind::Strict, new, scope, suppressing: no);
stack!(stack_suppressing, contextlib::kind::Suppressing, suppressing, suppressing_scope, suppressing: yes);
