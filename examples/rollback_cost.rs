//! What a rollback costs, beside a task of tokio's that does the same; and what happens when ten thousand tasks are aborted at once.
//!
//! ```console
//! cargo run --release --example rollback_cost
//! ```
//!
//! The first part drops futures and aborts tasks that are inside of a context, and waits for the teardowns; the other half of each pair does so with
//! values whose `Drop` spawns the same teardown, which is what people write by hand. The pairs take turns, each in a heap of its own that is as random as a server's, and the
//! figure is the median of their ratios. The second part aborts tasks that are inside of two
//! nested contexts each, and looks at the order in every task, at the time for each, and at the lanes that are left. (That no memory is left is tested:
//! `cargo test -p contextlib-tests --test aborts`. An allocator that counts would be part of what is measured here.) Beside it stands what the same number of
//! tasks costs with spawning by hand, in no order: where memory no longer fits the caches, each costs more there, too.
//!
//! In Python there is nothing to compare with: a cancelled task runs its `__aexit__` itself, and nobody waits for it at shutdown.

#![forbid(unsafe_code)]

use contextlib::{
    async_context,
    background::{drain, lanes_in_use},
    yield_resource,
};
use std::{
    future::{pending, poll_fn},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};

const TURNS: usize = 1_001;
const GUARDS: usize = 100;
const TARGET: f64 = 1.20;
const RUNS: usize = 5;
/// How long the last teardowns may take.
const PATIENCE: Duration = Duration::from_secs(30);

type Done = Arc<AtomicUsize>;

/// What is torn down: something of a connection's size.
struct Resource {
    done: Done,
    _state: [u64; 8],
}

impl Resource {
    fn new(done: Done) -> Self {
        Resource {
            done,
            _state: [7; 8],
        }
    }

    /// A teardown that waits for something once.
    async fn tear_down(self) {
        yield_now().await;
        self.done.fetch_add(1, SeqCst);
    }
}

#[async_context]
async fn context(done: Done) -> Resource {
    let mut resource = Resource::new(done);
    let _ = yield_resource!(resource);
    resource.tear_down().await;
}

/// The same by hand: nobody orders these, waits for them or hears of their failures.
struct SpawnsOnDrop(Option<Resource>);

impl Drop for SpawnsOnDrop {
    fn drop(&mut self) {
        if let Some(resource) = self.0.take() {
            tokio::spawn(resource.tear_down());
        }
    }
}

/// A heap as that of a program that has run for a while: some thousands of allocations, as many gaps between them.
///
/// Both sides of a pair find the same one. What an allocation costs depends on what was freed before, by a quarter of a rollback and more; without this
/// each side would find what the other one has left, the same in every turn.
struct Heap(Vec<Vec<u8>>);

impl Heap {
    /// The most allocations that there are, half of which are kept.
    const MOST: u64 = 10_000;
    const LARGEST: u64 = 1_000;

    fn of_turn(turn: usize) -> Self {
        let mut state = turn as u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let number = random(Self::MOST);
        let mut allocations: Vec<_> = (0..number)
            .map(|_| Vec::with_capacity(1 + random(Self::LARGEST) as usize))
            .collect();
        allocations.retain(|_| random(2) == 0);
        Heap(allocations)
    }

    /// How many are kept.
    fn kept(&self) -> usize {
        self.0.len()
    }
}

/// Opens one after the other, drops it, and waits until its teardown is over; how long the latter two take.
async fn one_by_one<F: Future>(open: impl Fn(Done) -> F) -> Duration {
    let done = Done::default();
    let mut took = Duration::ZERO;
    for number in 1..=GUARDS {
        let mut body = Box::pin(open(done.clone()));
        let polled = poll_fn(|cx| Poll::Ready(body.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        let began = Instant::now();
        drop(body);
        while done.load(SeqCst) < number {
            yield_now().await;
        }
        took += began.elapsed();
    }
    took
}

/// Opens all of them in one task, drops them, and waits until the last teardown is over.
async fn all_at_once<F>(open: impl Fn(Done) -> F + Send + 'static) -> Duration
where
    F: Future + Send + 'static,
{
    let task = tokio::spawn(all_at_once_here(open));
    task.await.expect("nothing panics")
}

async fn all_at_once_here<F: Future>(open: impl Fn(Done) -> F) -> Duration {
    let done = Done::default();
    let mut bodies: Vec<_> = (0..GUARDS).map(|_| Box::pin(open(done.clone()))).collect();
    for body in &mut bodies {
        let polled = poll_fn(|cx| Poll::Ready(body.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
    }
    let began = Instant::now();
    drop(bodies);
    while done.load(SeqCst) < GUARDS {
        yield_now().await;
    }
    began.elapsed()
}

/// A `with` future that is dropped.
fn with(done: Done) -> impl Future + Send {
    context(done).run(async |_| pending::<()>().await)
}

/// The same, with a teardown that is spawned by hand.
async fn by_hand(done: Done) {
    let _guard = SpawnsOnDrop(Some(Resource::new(done)));
    pending::<()>().await;
}

/// A future that is dropped with a guard in it, in a task of its own.
async fn guards_in_tasks() -> Duration {
    in_tasks(|done, opened: Done| async move {
        let Ok(_guard) = context(done).enter().await;
        opened.fetch_add(1, SeqCst);
        pending::<()>().await;
    })
    .await
}

/// The same with closure style.
async fn with_in_tasks() -> Duration {
    in_tasks(|done, opened: Done| async move {
        let body = async |_: &mut Resource| {
            opened.fetch_add(1, SeqCst);
            pending::<()>().await;
        };
        context(done).run(body).await;
    })
    .await
}

async fn spawned_in_tasks() -> Duration {
    in_tasks(|done, opened: Done| async move {
        let _guard = SpawnsOnDrop(Some(Resource::new(done)));
        opened.fetch_add(1, SeqCst);
        pending::<()>().await;
    })
    .await
}

/// As `all_at_once`, but each is a task that is aborted.
async fn in_tasks<F>(open: impl Fn(Done, Done) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let (done, opened) = (Done::default(), Done::default());
    let tasks: Vec<_> = (0..GUARDS)
        .map(|_| tokio::spawn(open(done.clone(), opened.clone())))
        .collect();
    while opened.load(SeqCst) < GUARDS {
        yield_now().await;
    }
    let began = Instant::now();
    for task in &tasks {
        task.abort();
    }
    while done.load(SeqCst) < GUARDS {
        yield_now().await;
    }
    began.elapsed()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn nanoseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / GUARDS as f64
}

async fn in_heap_of(turn: usize, measured: &impl AsyncFn() -> Duration) -> Duration {
    let heap = Heap::of_turn(turn);
    let took = measured().await;
    assert!(heap.kept() as u64 <= Heap::MOST);
    took
}

/// Prints one row; the ratio of the two.
fn compare(
    name: &str,
    runtime: &Runtime,
    rollbacks: impl AsyncFn() -> Duration,
    by_hand: impl AsyncFn() -> Duration,
) -> f64 {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let (rollback, spawn) = runtime.block_on(async {
            if turn % 2 == 0 {
                let rollback = in_heap_of(turn, &rollbacks).await;
                (rollback, in_heap_of(turn, &by_hand).await)
            } else {
                let spawn = in_heap_of(turn, &by_hand).await;
                (in_heap_of(turn, &rollbacks).await, spawn)
            }
        });
        ours.push(nanoseconds(rollback));
        theirs.push(nanoseconds(spawn));
        ratios.push(rollback.as_secs_f64() / spawn.as_secs_f64());
    }
    let ratio = median(ratios);
    println!(
        "{name:<40} {:>6.0} ns   spawned by hand {:>6.0} ns   ratio {ratio:.2}",
        median(ours),
        median(theirs),
    );
    ratio
}

/// Says whether it is the inner or the outer one that is over.
#[async_context]
async fn layer(ended: Arc<AtomicUsize>, number: usize) {
    let _ = yield_resource!();
    yield_now().await;
    // The inner one, number 0, has to be the first.
    let _ = ended.compare_exchange(number, number + 1, SeqCst, SeqCst);
}

/// The same by hand, in whatever order.
struct LayerByHand(Arc<AtomicUsize>);

impl Drop for LayerByHand {
    fn drop(&mut self) {
        let ended = self.0.clone();
        tokio::spawn(async move {
            yield_now().await;
            ended.fetch_add(1, SeqCst);
        });
    }
}

/// Two contexts, one inside of the other, around a body that doesn't end.
async fn nested(ended: Arc<AtomicUsize>, opened: Arc<AtomicUsize>) {
    let (outer, inner) = (layer(ended.clone(), 1), layer(ended, 0));
    let inside = async |_: &mut ()| {
        opened.fetch_add(1, SeqCst);
        pending::<()>().await;
    };
    outer.run(async |_| inner.run(inside).await).await;
}

async fn nested_by_hand(ended: Arc<AtomicUsize>, opened: Arc<AtomicUsize>) {
    let _outer = LayerByHand(ended.clone());
    let _inner = LayerByHand(ended);
    opened.fetch_add(1, SeqCst);
    pending::<()>().await;
}

/// Aborts `tasks` tasks at once; how long it took until the last teardown was over, and in how many tasks both ran (if it is contexts: in order).
async fn abort<F>(
    tasks: usize,
    body: impl Fn(Arc<AtomicUsize>, Arc<AtomicUsize>) -> F,
) -> (Duration, usize)
where
    F: Future<Output = ()> + Send + 'static,
{
    let ended: Vec<Arc<AtomicUsize>> = (0..tasks).map(|_| Arc::default()).collect();
    let opened = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = ended
        .iter()
        .map(|ended| tokio::spawn(body(ended.clone(), opened.clone())))
        .collect();
    while opened.load(SeqCst) < tasks.len() {
        yield_now().await;
    }
    let began = Instant::now();
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _aborted = task.await;
    }
    drain().await;
    while ended.iter().any(|ended| ended.load(SeqCst) < 2) && began.elapsed() < PATIENCE {
        yield_now().await;
    }
    let took = began.elapsed();
    let in_order = ended.iter().filter(|ended| ended.load(SeqCst) == 2);
    (took, in_order.count())
}

fn main() -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    println!("medians of {TURNS} pairs of {GUARDS}:");
    let single = compare(
        "a future dropped, one by one",
        &runtime,
        async || one_by_one(with).await,
        async || one_by_one(by_hand).await,
    );
    let guards = compare(
        "tasks with a guard aborted, all at once",
        &runtime,
        guards_in_tasks,
        spawned_in_tasks,
    );
    let in_with = compare(
        "tasks in `with` aborted, all at once",
        &runtime,
        with_in_tasks,
        spawned_in_tasks,
    );
    let together = compare(
        "futures of one task dropped, all at once",
        &runtime,
        async || all_at_once(with).await,
        async || all_at_once(by_hand).await,
    );

    println!("\ntasks aborted at once, two nested contexts each:");
    let mut each = Vec::new();
    let mut lost = 0;
    for tasks in [1_000, 10_000, 100_000] {
        // Once to make room in the runtime's own queues, which keep it.
        runtime.block_on(abort(tasks, nested));
        let (mut ours, mut theirs) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
        for _ in 0..RUNS {
            let (took, in_order) = runtime.block_on(abort(tasks, nested));
            ours.push(took.as_secs_f64() * 1e9 / tasks as f64);
            lost += tasks - in_order;
            let (took, _) = runtime.block_on(abort(tasks, nested_by_hand));
            theirs.push(took.as_secs_f64() * 1e9 / tasks as f64);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let lanes = lanes_in_use();
        println!(
            "{tasks:>7} tasks: {ours:>6.0} ns each, {lanes} lanes left   spawned by hand {theirs:>6.0} ns   ratio {:.2}",
            ours / theirs,
        );
        each.push((ours, theirs));
        lost += lanes;
    }
    println!("out of order or lost: {lost}");
    for (at, tasks) in [(1, "10,000"), (2, "100,000")] {
        println!(
            "{tasks} tasks cost {:.2} times as much each as 1,000 do; spawned by hand {:.2} times",
            each[at].0 / each[0].0,
            each[at].1 / each[0].1,
        );
    }
    println!("target, a ratio of at most {TARGET:.2}:");
    for (what, ratio) in [
        ("one by one", single),
        ("tasks with a guard", guards),
        ("tasks in `with`", in_with),
        ("futures of one task", together),
    ] {
        let met = if ratio <= TARGET { "met" } else { "not met" };
        println!("{what:>20}: {ratio:.2}, {met}");
    }
    match lost {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
