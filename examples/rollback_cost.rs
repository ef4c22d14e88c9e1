//! What a rollback costs beside a task of tokio's that does the same, and what happens when up to a hundred thousand tasks are aborted at once.
//!
//! ```console
//! cargo run --release -p contextlib-examples --example rollback_cost
//! ```
//!
//! (Use `-p`: without it, the features that the tests need are on, `tracing` among them.)
//!
//! The first part drops futures and aborts tasks that are inside a context, and waits for the teardowns. The same is done by hand in two ways,
//! both with a value whose `Drop` spawns the teardown:
//!
//! - *a teardown made anew*: the resource is kept, and its teardown is called when the resource is dropped. This is what people write, and what the
//!   target is for.
//! - *the same function*, run to the point where a context yields: what is left of it is spawned. It is in a box, as a future that is half-run has to
//!   be where it may outlive its caller. It costs less, since nothing is moved. Beside this a rollback adds what the library is for: its order,
//!   `drain`, reports.
//!
//! A rollback takes turns with either of them. Both sides of a turn are in the same heap, which is as random as a server's. A figure is the median of
//! the ratios. (What an allocation costs depends on what was freed before. In a heap with nothing else in it the first two cost the same. Where three
//! sides take turns, the ratios are some hundredths higher.)
//!
//! The second part aborts tasks that are inside two nested contexts each. It looks at the order in every task, at the time for each, and at the
//! lanes that are left. (That no memory is left is tested: `cargo test -p contextlib-tests --test aborts`. An allocator that counts would be part of
//! what is measured here.) Beside it stands what the same number of tasks costs with teardowns made anew, in no order: where memory no longer fits
//! the caches, each costs more there, too.
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
    mem,
    pin::Pin,
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

/// The same by hand, with a teardown made anew: nobody orders these, waits for them or hears of their failures.
struct SpawnsAnew(Option<Resource>);

impl Drop for SpawnsAnew {
    fn drop(&mut self) {
        if let Some(resource) = self.0.take() {
            tokio::spawn(resource.tear_down());
        }
    }
}

async fn set_up(done: Done) -> SpawnsAnew {
    SpawnsAnew(Some(Resource::new(done)))
}

/// The same function by hand: what is left of it after its setup.
struct SpawnsRest(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Drop for SpawnsRest {
    fn drop(&mut self) {
        if let Some(rest) = self.0.take() {
            tokio::spawn(rest);
        }
    }
}

async fn run_to_its_yield(done: Done) -> SpawnsRest {
    let mut rest = Box::pin(async move {
        let resource = Resource::new(done);
        let mut yielded = false;
        poll_fn(|_| match mem::replace(&mut yielded, true) {
            false => Poll::Pending,
            true => Poll::Ready(()),
        })
        .await;
        resource.tear_down().await;
    });
    let set_up = poll_fn(|cx| Poll::Ready(rest.as_mut().poll(cx))).await;
    assert!(set_up.is_pending());
    SpawnsRest(Some(rest))
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

/// The same by hand.
async fn by_hand<G>(opened: impl Future<Output = G>) {
    let _guard = opened.await;
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

/// The same by hand.
async fn by_hand_in_tasks<F>(open: impl Fn(Done) -> F) -> Duration
where
    F: Future<Output: Send> + Send + 'static,
{
    in_tasks(|done, opened: Done| {
        let opening = open(done);
        async move {
            let _guard = opening.await;
            opened.fetch_add(1, SeqCst);
            pending::<()>().await;
        }
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

async fn in_heap_of(turn: usize, measured: &dyn Measured) -> Duration {
    let heap = Heap::of_turn(turn);
    let took = measured.run().await;
    assert!(heap.kept() as u64 <= Heap::MOST);
    took
}

/// What is measured in one turn.
trait Measured {
    fn run(&self) -> Pin<Box<dyn Future<Output = Duration> + '_>>;
}

impl<F: AsyncFn() -> Duration> Measured for F {
    fn run(&self) -> Pin<Box<dyn Future<Output = Duration> + '_>> {
        Box::pin(self())
    }
}

/// How two sides compare: medians, and the median of the ratios.
struct Pair {
    one: f64,
    other: f64,
    ratio: f64,
}

impl Pair {
    /// The two take turns, in either order: none comes more often after the other one, and finds what that has left in the heap. Before them comes one that doesn't count: the first one of a `block_on` takes
    /// some 7 µs more, whatever it is.
    fn measure(runtime: &Runtime, one: &dyn Measured, other: &dyn Measured) -> Self {
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        for turn in 0..TURNS {
            let mut sides = [(one, &mut ones), (other, &mut others)];
            if turn % 2 == 1 {
                sides.reverse();
            }
            runtime.block_on(async {
                let [_, (second, _)] = &sides;
                in_heap_of(turn, *second).await;
                for (side, took) in sides {
                    let duration = in_heap_of(turn, side).await;
                    took.push(nanoseconds(duration));
                }
            });
        }
        let ratios = ones.iter().zip(&others).map(|(one, other)| one / other);
        Pair {
            ratio: median(ratios.collect()),
            one: median(ones),
            other: median(others),
        }
    }
}

/// A row: how a rollback compares with a teardown made anew.
struct Row {
    name: &'static str,
    beside_anew: f64,
}

/// Prints one row.
fn compare(
    name: &'static str,
    runtime: &Runtime,
    rollback: impl AsyncFn() -> Duration,
    anew: impl AsyncFn() -> Duration,
    same: impl AsyncFn() -> Duration,
) -> Row {
    let anew = Pair::measure(runtime, &rollback, &anew);
    let same = Pair::measure(runtime, &rollback, &same);
    println!(
        "{name:<32} {:>8.0} ns  {:>8.0} ns {:>6.2}  {:>10.0} ns {:>6.2}",
        anew.one, anew.other, anew.ratio, same.other, same.ratio
    );
    Row {
        name,
        beside_anew: anew.ratio,
    }
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

/// Two contexts, one inside the other, around a body that doesn't end.
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
    println!("medians of {TURNS} turns of {GUARDS}:");
    println!(
        "{:<32} {:>11}  {:>18}  {:>20}",
        "", "rollback", "by hand, made anew", "the same function"
    );
    let rows = [
        compare(
            "futures dropped, one by one",
            &runtime,
            async || one_by_one(with).await,
            async || one_by_one(|done| by_hand(set_up(done))).await,
            async || one_by_one(|done| by_hand(run_to_its_yield(done))).await,
        ),
        compare(
            "tasks with a guard, all at once",
            &runtime,
            guards_in_tasks,
            async || by_hand_in_tasks(set_up).await,
            async || by_hand_in_tasks(run_to_its_yield).await,
        ),
        compare(
            "tasks in `with`, all at once",
            &runtime,
            with_in_tasks,
            async || by_hand_in_tasks(set_up).await,
            async || by_hand_in_tasks(run_to_its_yield).await,
        ),
        compare(
            "futures of one task, all at once",
            &runtime,
            async || all_at_once(with).await,
            async || all_at_once(|done| by_hand(set_up(done))).await,
            async || all_at_once(|done| by_hand(run_to_its_yield(done))).await,
        ),
    ];

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
            "{tasks:>7} tasks: {ours:>6.0} ns each, {lanes} lanes left   made anew by hand {theirs:>6.0} ns   ratio {:.2}",
            ours / theirs,
        );
        each.push((ours, theirs));
        lost += lanes;
    }
    println!("out of order or lost: {lost}");
    for (at, tasks) in [(1, "10,000"), (2, "100,000")] {
        println!(
            "{tasks} tasks cost {:.2} times as much each as 1,000 do; by hand {:.2} times",
            each[at].0 / each[0].0,
            each[at].1 / each[0].1,
        );
    }
    println!("target, at most {TARGET:.2} times a teardown made anew:");
    for row in rows {
        let met = match row.beside_anew <= TARGET {
            true => "met",
            false => "not met",
        };
        println!("{:<32} {:.2}, {met}", row.name, row.beside_anew);
    }
    match lost {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
