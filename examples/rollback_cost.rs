//! What a rollback costs, beside a task of tokio's that does the same; and what happens when ten thousand tasks are aborted at once.
//!
//! ```console
//! cargo run --release --example rollback_cost
//! ```
//!
//! The first part drops open guards and waits for their teardowns; the other half of each pair drops values whose `Drop` spawns the same teardown, which is
//! what people write by hand. The pairs take turns, and the figure is the median of their ratios. The second part aborts tasks that are inside of two
//! nested contexts each, and looks at the order in every task, at the time for each, and at the memory that is left.
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

/// Opens all of them, drops them, and waits until the last teardown is over.
async fn all_at_once<F: Future>(open: impl Fn(Done) -> F) -> Duration {
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
fn with(done: Done) -> impl Future {
    context(done).run(async |_| pending::<()>().await)
}

/// The same, with a teardown that is spawned by hand.
async fn by_hand(done: Done) {
    let _guard = SpawnsOnDrop(Some(Resource::new(done)));
    pending::<()>().await;
}

/// A future that is dropped with a guard in it, in a task of its own.
async fn rolled_back_in_tasks() -> Duration {
    in_tasks(|done, opened: Done| async move {
        let Ok(_guard) = context(done).enter().await;
        opened.fetch_add(1, SeqCst);
        pending::<()>().await;
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
                let rollback = rollbacks().await;
                (rollback, by_hand().await)
            } else {
                let spawn = by_hand().await;
                (rollbacks().await, spawn)
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

/// Aborts `tasks` tasks at once; how long it took until the last teardown was over, and in how many tasks they ran in order.
async fn abort(tasks: usize) -> (Duration, usize) {
    let ended: Vec<Arc<AtomicUsize>> = (0..tasks).map(|_| Arc::default()).collect();
    let opened = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = ended
        .iter()
        .map(|ended| {
            let (outer, inner) = (layer(ended.clone(), 1), layer(ended.clone(), 0));
            let opened = opened.clone();
            tokio::spawn(async move {
                let inside = async |_: &mut ()| {
                    opened.fetch_add(1, SeqCst);
                    pending::<()>().await;
                };
                outer.run(async |_| inner.run(inside).await).await;
            })
        })
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
    let tasks = compare(
        "tasks aborted, all at once",
        &runtime,
        rolled_back_in_tasks,
        spawned_in_tasks,
    );
    compare(
        "futures of one task dropped, all at once",
        &runtime,
        async || all_at_once(with).await,
        async || all_at_once(by_hand).await,
    );

    println!("\ntasks aborted at once, two nested contexts each:");
    let mut each = Vec::new();
    let mut lost = 0;
    for tasks in [1_250, 2_500, 5_000, 10_000, 20_000] {
        // Once to make room in the runtime's own queues, which keep it.
        runtime.block_on(abort(tasks));
        let mut runs = Vec::with_capacity(5);
        let mut left = 0;
        for _ in 0..5 {
            let memory = allocation_counter::measure(|| {
                let (took, in_order) = runtime.block_on(abort(tasks));
                runs.push(took.as_secs_f64() * 1e9 / tasks as f64);
                lost += tasks - in_order;
            });
            left = memory.bytes_current;
        }
        let figure = median(runs);
        println!(
            "{tasks:>6} tasks: {figure:>6.0} ns each, {left} bytes left, {} lanes left",
            lanes_in_use()
        );
        each.push(figure);
        lost += usize::from(left > 0) + lanes_in_use();
    }
    let growth = each[3] / each[0];
    println!("out of order or lost: {lost}");
    println!("10,000 tasks cost {growth:.2} times as much each as 1,250 do");
    let met = match single.max(tasks) <= TARGET {
        true => "met",
        false => "not met",
    };
    println!("target, a ratio of at most {TARGET:.2}: {met}, with {single:.2} and {tasks:.2}");
    match lost {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
