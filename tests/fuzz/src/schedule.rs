//! A tree of contexts, and a hand-made executor that runs it by a schedule; both are read from bytes.
//!
//! The bytes say which contexts there are, in what style they are entered, how often each part of them suspends and how it ends; then, in which order
//! things are polled (by the same waker or another, on this thread or another), woken and dropped. When the schedule is over, everything is run to its end
//! by an executor that polls only what has been woken. What has to hold whatever the bytes are:
//!
//! - every context that was set up is torn down, once, and is told how its body ended; only a rollback that the schedule dropped is lost, and reported;
//! - a teardown starts when everything entered inside its context's body is over, with whatever that has entered;
//! - a context returns its body's failure, else its own; and no failure is reported twice;
//! - nothing is left waiting for a wake that doesn't come;
//! - no resource, waker or lane is left behind.

use contextlib::{
    AsyncContext, ExitKind, ExitStack, IntoContextManager, Rollback, async_context,
    background::{self, lanes_in_use},
    policy::{Boxed, Policy},
    report::{Failure as Reported, set_report_hook},
    yield_resource,
};
use futures::{FutureExt, future::join};
use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeSet,
    env,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, Once,
        atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

/// Runs what the bytes say, and panics if that breaks a promise.
pub(crate) fn check(bytes: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        set_report_hook(|report| {
            match report.failure {
                Reported::Lost(_) => {
                    LOST.fetch_add(1, Ordering::SeqCst);
                }
                Reported::Error(error) => {
                    let again = !lock(&REPORTED).insert(format!("{error:?}"));
                    TWICE.fetch_add(usize::from(again), Ordering::SeqCst);
                }
                // An assertion in a rollback; a fuzzer has stopped at it already.
                Reported::Panic(payload) if !payload.is::<Planned>() => {
                    UNPLANNED.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            }
        });
    });
    lock(&REPORTED).clear();
    let lost_before = LOST.load(Ordering::SeqCst);
    let mut bytes = Bytes(bytes);
    let world = Arc::new(World::default());
    let plan = Plan::read(&mut bytes, &world, None, 0);
    say(|| format!("{plan:#?}"));
    let mut executor = Executor::new(world.clone(), plan);
    while let Some(operation) = bytes.next() {
        executor.step(operation, &mut bytes);
    }
    executor.finish();
    let dropped = executor.dropped;
    executor.assert_no_waker_left();
    assert_eq!(
        UNPLANNED.load(Ordering::SeqCst),
        0,
        "panics in rollbacks that nobody planned"
    );
    assert_eq!(
        TWICE.load(Ordering::SeqCst),
        0,
        "failures that were reported again: {:?}",
        lock(&REPORTED)
    );
    world.assert_balanced(LOST.load(Ordering::SeqCst) - lost_before, dropped);
}

/// What happens, with `TRACE=1`: for whoever looks into a finding.
fn say(what: impl FnOnce() -> String) {
    static TRACE: LazyLock<bool> = LazyLock::new(|| env::var_os("TRACE").is_some());
    if *TRACE {
        eprintln!("{}", what());
    }
}

static LOST: AtomicUsize = AtomicUsize::new(0);
static UNPLANNED: AtomicUsize = AtomicUsize::new(0);
/// The errors reported so far, each of which is one context's.
static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static TWICE: AtomicUsize = AtomicUsize::new(0);

// ---- What the bytes say.

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next one; nought when there are no more.
    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u8) -> u8 {
        self.byte() % limit
    }
}

type Id = usize;

/// A context, and what happens around and in it.
#[derive(Debug)]
struct Plan {
    id: Id,
    style: Style,
    setup: Phase,
    /// One after the other.
    body: Vec<Step>,
    body_ends: End,
    /// The body goes on after a child's failure.
    tolerant: bool,
    teardown: Phase,
    leave: Leave,
    /// The entries of a stack, or the two of a tuple; their bodies are empty.
    entries: Vec<Arc<Plan>>,
}

/// A step of a body.
#[derive(Debug)]
enum Step {
    Pause,
    Child(Child),
    /// Two at once.
    Join(Box<[Child; 2]>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    With,
    Guard,
    Suppressing,
    /// The yield point is polled by something that polls it only when it was woken.
    Wrapping,
    /// The yield point is dropped if something else is ready first.
    Expiring,
    Stack,
    Tuple,
}

/// How a guard or a stack is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leave {
    ExitWith,
    Exit,
    Cancel,
    Drop,
}

/// A setup or a teardown.
#[derive(Debug)]
struct Phase {
    pauses: u8,
    child: Option<Child>,
    ends: End,
}

/// A context inside of another one.
#[derive(Debug)]
struct Child {
    plan: Arc<Plan>,
    /// It is dropped if something else is ready first.
    raced: bool,
    /// In a lane of its own.
    branch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Well,
    Fails,
    Panics,
}

const MOST_CONTEXTS: usize = 14;
const DEEPEST: usize = 5;

impl Plan {
    fn read(bytes: &mut Bytes<'_>, world: &World, inside: Option<Id>, depth: usize) -> Arc<Plan> {
        let id = world.new_node(inside);
        let style = bytes.byte();
        let style = match style % 8 {
            0 | 1 if style >= 240 => Style::Tuple,
            0 | 1 => Style::With,
            2 | 3 => Style::Guard,
            4 => Style::Suppressing,
            5 => Style::Wrapping,
            6 => Style::Expiring,
            _ => Style::Stack,
        };
        let mut innermost = id;
        let mut entries = Vec::new();
        let entries_are = match style {
            Style::Stack => bytes.below(4),
            Style::Tuple => 2,
            _ => 0,
        };
        for _ in 0..entries_are {
            let entry = Plan::entry(bytes, world, innermost, depth);
            innermost = entry.id;
            entries.push(entry);
        }
        if style == Style::Tuple {
            world.node(innermost, |node| node.shares_frame = true);
        }
        let setup = Phase::read(bytes, world, id, depth);
        let mut body = Vec::new();
        for _ in 0..bytes.below(5) {
            body.push(Step::read(bytes, world, innermost, depth));
        }
        Arc::new(Plan {
            id,
            style,
            setup,
            body,
            body_ends: End::read(bytes),
            tolerant: bytes.below(2) == 1,
            teardown: Phase::read(bytes, world, id, depth),
            leave: match bytes.below(5) {
                0 | 1 => Leave::ExitWith,
                2 => Leave::Exit,
                3 => Leave::Cancel,
                _ => Leave::Drop,
            },
            entries,
        })
    }

    fn entry(bytes: &mut Bytes<'_>, world: &World, inside: Id, depth: usize) -> Arc<Plan> {
        let id = world.new_node(Some(inside));
        Arc::new(Plan {
            id,
            style: Style::Guard,
            setup: Phase::read(bytes, world, id, depth),
            body: Vec::new(),
            body_ends: End::Well,
            tolerant: false,
            teardown: Phase::read(bytes, world, id, depth),
            leave: Leave::Drop,
            entries: Vec::new(),
        })
    }
}

impl Step {
    fn read(bytes: &mut Bytes<'_>, world: &World, inside: Id, depth: usize) -> Step {
        let what = bytes.byte();
        let mut child = |branch| Child {
            plan: Plan::read(bytes, world, Some(inside), depth + 1),
            raced: what >= 240,
            branch,
        };
        if !world.has_room(depth) {
            return Step::Pause;
        }
        match what % 2 {
            1 => Step::Child(child((224..240).contains(&what))),
            _ if what >= 224 => Step::Join(Box::new([child(true), child(true)])),
            _ => Step::Pause,
        }
    }
}

impl Phase {
    fn read(bytes: &mut Bytes<'_>, world: &World, id: Id, depth: usize) -> Phase {
        let byte = bytes.byte();
        let what = byte % 64;
        let child = what >= 56 && world.has_room(depth);
        Phase {
            pauses: [0, 1, 2, 1][usize::from(what % 4)],
            child: child.then(|| {
                let plan = Plan::read(bytes, world, Some(id), depth + 1);
                world.node(plan.id, |node| node.is_part = true);
                Child {
                    plan,
                    raced: byte >= 240,
                    branch: (128..192).contains(&byte),
                }
            }),
            ends: match what / 4 % 8 {
                0 => End::Fails,
                1 => End::Panics,
                _ => End::Well,
            },
        }
    }
}

impl End {
    fn read(bytes: &mut Bytes<'_>) -> End {
        match bytes.below(8) {
            0 => End::Fails,
            1 => End::Panics,
            _ => End::Well,
        }
    }
}

// ---- What happens.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    Setup(Id),
    Body(Id),
    Teardown(Id),
    Expired(Id),
}

/// What the planned panics carry.
struct Planned;

fn panic_as_planned() -> ! {
    // Not by the panic hook, which the fuzzer takes for a finding.
    resume_unwind(Box::new(Planned))
}

/// What the contexts and their executor share.
#[derive(Default)]
struct World {
    nodes: Mutex<Vec<Node>>,
    gates: Mutex<Vec<Gate>>,
    next_gate: AtomicUsize,
    rollbacks: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    resources: AtomicIsize,
}

/// What has become of a context.
#[derive(Default, Debug)]
struct Node {
    inside: Option<Id>,
    /// Entered by the setup or the teardown of the context that it is inside of.
    is_part: bool,
    /// The inner one of a tuple, whose outer one it shares a frame with.
    shares_frame: bool,
    set_up: bool,
    teardowns: usize,
    over: bool,
    /// What its teardown is to be told; `None` where that isn't known here.
    exit: Option<ExitKind>,
    body: Option<Result<u32, Failure>>,
    teardown: Option<Result<(), Failure>>,
}

/// Something that a future waits for.
struct Gate {
    number: usize,
    open: bool,
    waker: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics with a lock held")
}

impl World {
    fn new_node(&self, inside: Option<Id>) -> Id {
        let mut nodes = lock(&self.nodes);
        nodes.push(Node {
            inside,
            ..Node::default()
        });
        nodes.len() - 1
    }

    fn has_room(&self, depth: usize) -> bool {
        depth < DEEPEST && lock(&self.nodes).len() < MOST_CONTEXTS
    }

    fn node<R>(&self, id: Id, f: impl FnOnce(&mut Node) -> R) -> R {
        f(&mut lock(&self.nodes)[id])
    }

    /// The teardown of `id` starts: everything inside it has to be over.
    fn teardown_starts(&self, id: Id, exit: Option<ExitKind>) {
        let mut nodes = lock(&self.nodes);
        let inside = |mut other: Id| {
            while let Some(outer) = nodes[other].inside {
                if outer == id {
                    // What the context has entered itself is its own part; only contexts around it wait for that too.
                    return !nodes[other].is_part;
                }
                other = outer;
            }
            false
        };
        let early = (0..nodes.len())
            .find(|other| nodes[*other].set_up && !nodes[*other].over && inside(*other));
        let node = &mut nodes[id];
        node.teardowns += 1;
        let (teardowns, expected) = (node.teardowns, node.exit);
        drop(nodes);
        assert_eq!(
            early, None,
            "the teardown of {id} starts before this one is over"
        );
        assert_eq!(teardowns, 1, "{id} is torn down again");
        if let (Some(exit), Some(expected)) = (exit, expected) {
            assert_eq!(exit, expected, "{id} is told a wrong exit");
        }
    }

    fn assert_balanced(&self, lost: usize, dropped: usize) {
        // Fewer, where one was dropped that only waited for its parts.
        assert!(
            lost <= dropped,
            "{lost} rollbacks lost, {dropped} dropped by the schedule"
        );
        let nodes = lock(&self.nodes);
        let is_lost = |node: &Node| node.set_up && node.teardowns == 0;
        // A tuple is lost as one.
        let with_its_outer = |node: &Node| {
            node.shares_frame && node.inside.is_some_and(|outer| is_lost(&nodes[outer]))
        };
        let never = nodes
            .iter()
            .filter(|node| is_lost(node) && !with_its_outer(node))
            .count();
        assert!(
            never <= lost,
            "{never} contexts never torn down, {lost} lost: {nodes:?}"
        );
        assert!(nodes.iter().all(|node| !node.set_up || node.over));
        assert_eq!(self.resources.load(Ordering::SeqCst), 0, "resources left");
        assert!(lock(&self.gates).is_empty(), "something is still waiting");
        assert_eq!(background::pending(), 0);
        assert_eq!(lanes_in_use(), 0);
    }
}

/// A resource that is counted.
struct Resource(Arc<World>);

impl Drop for Resource {
    fn drop(&mut self) {
        self.0.resources.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Suspends once, until its gate is opened; other wakes don't count.
async fn pause(world: &World) {
    struct Leave<'w>(&'w World, usize);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            let mut gates = lock(&self.0.gates);
            let gate = gates
                .iter()
                .position(|gate| gate.number == self.1)
                .map(|at| gates.remove(at));
            drop(gates);
            drop(gate);
        }
    }

    let number = world.next_gate.fetch_add(1, Ordering::SeqCst);
    lock(&world.gates).push(Gate {
        number,
        open: false,
        waker: None,
    });
    let _leave = Leave(world, number);
    poll_fn(|cx| {
        let mut gates = lock(&world.gates);
        let Some(gate) = gates.iter_mut().find(|gate| gate.number == number) else {
            return Poll::Ready(());
        };
        if gate.open {
            return Poll::Ready(());
        }
        let old = gate.waker.replace(cx.waker().clone());
        drop(gates);
        drop(old);
        Poll::Pending
    })
    .await;
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

#[async_context(on_cancel = OnQueue)]
async fn plain(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let mut resource = set_up(&world, &plan).await?;
    let exit = yield_resource!(resource).kind();
    tear_down(&world, &plan, exit).await?;
    drop(resource);
}

#[async_context(on_cancel = OnQueue, suppress)]
async fn suppressing(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let mut resource = set_up(&world, &plan).await?;
    let exit = yield_resource!(resource);
    exit.suppress();
    tear_down(&world, &plan, exit.kind()).await?;
    drop(resource);
}

#[async_context(on_cancel = OnQueue)]
async fn wrapping(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
    let _over = Over(world.clone(), plan.id);
    let resource = set_up(&world, &plan).await?;
    let yielded = only_when_woken(async move { yield_resource!(move resource) });
    let (_resource, exit) = yielded.await;
    tear_down(&world, &plan, exit.kind()).await?;
}

#[async_context(on_cancel = OnQueue)]
async fn expiring(world: Arc<World>, plan: Arc<Plan>) -> Result<Resource, Failure> {
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

/// A future inside a combinator that has a waker of its own, and polls only after that was woken.
async fn only_when_woken<F: Future>(future: F) -> F::Output {
    struct Own {
        woken: AtomicBool,
        outer: Mutex<Option<Waker>>,
    }
    impl Wake for Own {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::SeqCst);
            let outer = lock(&self.outer).clone();
            if let Some(outer) = outer {
                outer.wake();
            }
        }
    }

    let own = Arc::new(Own {
        woken: AtomicBool::new(true),
        outer: Mutex::default(),
    });
    let waker = Waker::from(own.clone());
    let mut future = pin!(future);
    poll_fn(|cx| {
        let old = lock(&own.outer).replace(cx.waker().clone());
        drop(old);
        if !own.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

/// `None` if `limit` is ready first.
async fn unless<F: Future>(limit: impl Future<Output = ()>, future: F) -> Option<F::Output> {
    let (mut limit, mut future) = (pin!(limit), pin!(future));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Runs a context inside of another one, or until something else is ready.
async fn run_child(world: &Arc<World>, child: &Child) -> Result<(), Failure> {
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

/// Runs two until both are over, whatever they come to.
async fn both<F>(one: F, other: F) -> F::Output
where
    F: Future<Output = Result<(), Failure>>,
{
    let one = AssertUnwindSafe(one).catch_unwind();
    let other = AssertUnwindSafe(other).catch_unwind();
    let (one, other) = join(one, other).await;
    let come = |ended: thread::Result<_>| ended.unwrap_or_else(|payload| resume_unwind(payload));
    come(one).and(come(other))
}

/// Enters a context, runs its body, and leaves it.
fn run(
    world: Arc<World>,
    plan: Arc<Plan>,
) -> Pin<Box<dyn Future<Output = Result<u32, Failure>> + Send>> {
    Box::pin(async move {
        let (w, p) = (world.clone(), plan.clone());
        let returned = match plan.style {
            Style::With => {
                let context = plain(w, p);
                context
                    .with(async |_| inside(&world, &plan, plan.id).await)
                    .await
                    .map(Some)
            }
            Style::Suppressing => {
                let context = suppressing(w, p);
                context
                    .with(async |_| inside(&world, &plan, plan.id).await)
                    .await
            }
            Style::Wrapping => {
                let context = wrapping(w, p);
                context
                    .with(async |_| inside(&world, &plan, plan.id).await)
                    .await
                    .map(Some)
            }
            Style::Expiring => {
                let context = expiring(w, p);
                context
                    .with(async |_| inside(&world, &plan, plan.id).await)
                    .await
                    .map(Some)
            }
            Style::Guard => return guarded(&world, &plan).await,
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
        _ if !set_up => Err(Failure::Setup(id)),
        (Some(Ok(value)), Some(Ok(()))) => Ok(Some(value)),
        (_, Some(Ok(()))) if plan.style == Style::Suppressing => Ok(None),
        (_, Some(Err(failure))) if plan.style == Style::Suppressing => Err(failure),
        (Some(Err(failure)), _) => Err(failure),
        (_, Some(Err(failure))) => Err(failure),
        (body, teardown) => panic!("{id} came back after {body:?} and {teardown:?}"),
    };
    assert_eq!(returned, expected, "what came out of {id}");
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

async fn guarded(world: &Arc<World>, plan: &Arc<Plan>) -> Result<u32, Failure> {
    let guard = plain(world.clone(), plan.clone()).enter().await?;
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
        ((_, Some(outer)), (_, Some(inner))) => {
            let body = world.node(plan.entries[1].id, |node| node.body);
            let body = body.expect("it is over");
            body.and_then(|value| inner.and(outer).map(|()| value))
        }
        became => panic!("a tuple came back after {became:?}"),
    };
    assert_eq!(returned, expected, "what came out of the tuple {}", plan.id);
    returned
}

// ---- The executor.

thread_local! {
    static HERE: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// Rolls back in the executor that the context was entered in.
struct OnQueue;

impl<C> Policy<C> for OnQueue
where
    C: AsyncContext<Resource: Send> + Send + 'static,
{
    type Storage = Boxed<C>;
    type Origin = Arc<World>;

    fn origin() -> Arc<World> {
        HERE.with_borrow(|world| world.clone().expect("contexts are entered in the executor"))
    }

    fn rollback(rollback: Rollback<C>, world: Arc<World>) {
        lock(&world.rollbacks).push(Box::pin(rollback));
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    flag: Arc<Flag>,
    polled: bool,
}

struct Executor {
    world: Arc<World>,
    /// What runs the tree, and the rollbacks.
    main: Option<Task>,
    rollbacks: Vec<Task>,
    /// Every waker's inside.
    flags: Vec<Arc<Flag>>,
    dropped: usize,
}

impl Executor {
    fn new(world: Arc<World>, plan: Arc<Plan>) -> Self {
        let running = run(world.clone(), plan);
        let main = Box::pin(background::lane(async move {
            let _ = running.await;
        }));
        let mut executor = Executor {
            world,
            main: None,
            rollbacks: Vec::new(),
            flags: Vec::new(),
            dropped: 0,
        };
        executor.main = Some(executor.task(main));
        executor
    }

    fn task(&mut self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task {
        let flag = Arc::<Flag>::default();
        self.flags.push(flag.clone());
        Task {
            future,
            flag,
            polled: false,
        }
    }

    /// Takes over what has been queued.
    fn collect(&mut self) {
        let queued = std::mem::take(&mut *lock(&self.world.rollbacks));
        for rollback in queued {
            let task = self.task(rollback);
            self.rollbacks.push(task);
        }
    }

    fn step(&mut self, operation: u8, bytes: &mut Bytes<'_>) {
        say(|| format!("step {}", operation % 16));
        match operation % 16 {
            0..4 => self.poll_main(false, false),
            4 => self.poll_main(true, false),
            5 => self.poll_main(true, true),
            6..10 => self.open_a_gate(usize::from(bytes.below(8))),
            10 => self.wake_for_nothing(usize::from(bytes.below(8))),
            11 | 12 => self.poll_rollback(usize::from(bytes.below(8)), operation >= 128),
            13 => self.poll_all(),
            14 => self.drop_main(),
            _ => {
                if bytes.below(4) == 3 {
                    self.drop_rollback(usize::from(bytes.below(8)));
                } else {
                    self.poll_main(false, false);
                }
            }
        }
        self.collect();
    }

    fn poll_main(&mut self, other_waker: bool, other_thread: bool) {
        if let Some(mut task) = self.main.take()
            && !self.poll(&mut task, other_waker, other_thread)
        {
            self.main = Some(task);
        }
    }

    fn poll_rollback(&mut self, which: usize, other_waker: bool) {
        if self.rollbacks.is_empty() {
            return;
        }
        let at = which % self.rollbacks.len();
        let mut task = self.rollbacks.remove(at);
        if !self.poll(&mut task, other_waker, false) {
            self.rollbacks.insert(at, task);
        }
    }

    fn poll_all(&mut self) {
        self.poll_main(false, false);
        for which in (0..self.rollbacks.len()).rev() {
            self.poll_rollback(which, false);
        }
    }

    /// Polls a task; says whether it is over.
    fn poll(&mut self, task: &mut Task, other_waker: bool, other_thread: bool) -> bool {
        if other_waker {
            task.flag = Arc::default();
            self.flags.push(task.flag.clone());
        }
        task.polled = true;
        task.flag.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(task.flag.clone());
        let world = self.world.clone();
        let future = task.future.as_mut();
        let poll = || polled_here(world, || future.poll(&mut Context::from_waker(&waker)));
        let polled = match other_thread {
            false => poll(),
            true => thread::scope(|scope| scope.spawn(poll).join().expect("panics are caught")),
        };
        match polled {
            Ok(polled) => polled.is_ready(),
            Err(payload) => {
                assert!(payload.is::<Planned>(), "a panic that nobody planned");
                true
            }
        }
    }

    fn open_a_gate(&self, which: usize) {
        let mut gates = lock(&self.world.gates);
        if gates.is_empty() {
            return;
        }
        let which = which % gates.len();
        gates[which].open = true;
        let waker = gates[which].waker.take();
        drop(gates);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_for_nothing(&self, which: usize) {
        let gates = lock(&self.world.gates);
        if gates.is_empty() {
            return;
        }
        let waker = gates[which % gates.len()].waker.clone();
        drop(gates);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn drop_main(&mut self) {
        if let Some(task) = self.main.take() {
            let dropped = polled_here(self.world.clone(), || drop(task));
            assert!(dropped.is_ok(), "a destructor panics");
        }
    }

    fn drop_rollback(&mut self, which: usize) {
        if self.rollbacks.is_empty() {
            return;
        }
        let at = which % self.rollbacks.len();
        let task = self.rollbacks.remove(at);
        self.dropped += 1;
        let dropped = polled_here(self.world.clone(), || drop(task));
        assert!(dropped.is_ok(), "a destructor panics");
    }

    /// Runs everything to its end, polling only what has been woken, and opening a gate only when nothing has.
    fn finish(&mut self) {
        let woken = |task: &Task| !task.polled || task.flag.0.load(Ordering::SeqCst);
        loop {
            self.collect();
            if self.main.as_ref().is_some_and(woken) {
                self.poll_main(false, false);
            } else if let Some(which) = self.rollbacks.iter().position(woken) {
                self.poll_rollback(which, false);
            } else if self.main.is_none() && self.rollbacks.is_empty() {
                return;
            } else {
                let shut = lock(&self.world.gates).iter().position(|gate| !gate.open);
                let Some(shut) = shut else {
                    panic!(
                        "a wake was lost: {} rollbacks wait, and nothing comes",
                        self.rollbacks.len()
                    );
                };
                self.open_a_gate(shut);
            }
        }
    }

    fn assert_no_waker_left(&self) {
        for flag in &self.flags {
            assert_eq!(Arc::strong_count(flag), 1, "a waker is left behind");
        }
    }
}

/// Does something with the world at hand, and catches its panic.
fn polled_here<R>(world: Arc<World>, f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let before = HERE.replace(Some(world));
    let done = catch_unwind(AssertUnwindSafe(f));
    drop(HERE.replace(before));
    done
}
