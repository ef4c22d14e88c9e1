//! What a context costs: nanoseconds and allocations, beside a plain async call.
//!
//! ```console
//! cargo run --release -p contextlib-examples --example overhead
//! ```
//!
//! Every row does the same: a setup, a body and an awaited teardown, all three next to nothing. The rows take many short turns. A figure is the
//! fastest tenth of its turns, which is what the code takes when nothing else is in its way. Beside it stands the median, which includes what else
//! the machine did.
//!
//! The last rows are of all processors at once, each with a thread and a runtime of its own. All threads share the number that orders contexts, so
//! each of them waits for the others there. (The handle of a runtime is shared by that one's threads only.)

#![forbid(unsafe_code)]

use contextlib::{async_context, yield_resource};
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::poll_fn,
    hint::black_box,
    io,
    pin::{Pin, pin},
    sync::Barrier,
    task::Poll,
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};
use tokio::runtime::Builder;

const TURNS: usize = 10_001;
const CALLS: u32 = 400;
const TARGET: f64 = 60.0;

/// What every row acquires and releases.
async fn acquire() -> Result<u64, Broken> {
    Ok(black_box(1))
}

async fn release(number: u64) -> Result<(), Broken> {
    black_box(number);
    Ok(())
}

async fn work(number: &mut u64) -> Result<u64, Broken> {
    *number += 1;
    Ok(black_box(*number))
}

#[derive(Debug)]
struct Broken(#[expect(dead_code, reason = "an error that takes up room")] u64);

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

async fn plain() -> Result<u64, Broken> {
    let mut number = acquire().await?;
    let end = work(&mut number).await;
    release(number).await?;
    end
}

#[async_context]
async fn spawning() -> Result<u64, Broken> {
    let mut number = acquire().await?;
    let _ = yield_resource!(number);
    release(number).await?;
}

#[async_context(on_cancel = drop)]
async fn dropping() -> Result<u64, Broken> {
    let mut number = acquire().await?;
    let _ = yield_resource!(number);
    release(number).await?;
}

/// A future that is pending once.
async fn suspend() {
    let mut suspended = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut suspended, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn work_suspended(number: &mut u64) -> Result<u64, Broken> {
    suspend().await;
    work(number).await
}

async fn plain_suspended() -> Result<u64, Broken> {
    let mut number = acquire().await?;
    let end = work_suspended(&mut number).await;
    release(number).await?;
    end
}

async fn entered_and_exited() -> Result<u64, Broken> {
    let mut number = spawning().enter().await?;
    let end = work(&mut number).await;
    number.exit().await?;
    end
}

async fn entered_and_exited_dropping() -> Result<u64, Broken> {
    let mut number = dropping().enter().await?;
    let end = work(&mut number).await;
    number.exit().await?;
    end
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Row {
    what: &'static str,
    /// At most so many allocations and nanoseconds. The rows that have a target are those that are measured on all threads at once, too.
    target: Option<(u64, f64)>,
    turn: fn() -> Boxed<Duration>,
    allocations: fn() -> Boxed<u64>,
}

/// A row of one call; only the whole turn is boxed, not the call.
macro_rules! row {
    ($what:literal, $call:expr) => {
        row!($what, $call, None)
    };
    ($what:literal, $call:expr, $target:expr) => {
        Row {
            what: $what,
            target: $target,
            turn: || {
                Box::pin(async {
                    let start = Instant::now();
                    for _ in 0..CALLS {
                        let _ = black_box($call.await);
                    }
                    start.elapsed()
                })
            },
            allocations: || {
                Box::pin(allocations(async {
                    let _ = black_box($call.await);
                }))
            },
        }
    };
}

async fn allocations(call: impl Future<Output = ()>) -> u64 {
    let mut call = pin!(call);
    let mut count = 0;
    poll_fn(|cx| {
        let mut polled = Poll::Pending;
        count += allocation_counter::measure(|| polled = call.as_mut().poll(cx)).count_total;
        polled
    })
    .await;
    count
}

fn rows() -> [Row; 11] {
    [
        row!("plain async call", plain()),
        row!("plain async call, boxed", Box::pin(plain())),
        row!(
            "`with`, on_cancel = drop",
            dropping().with(async |number| work(number).await),
            Some((0, TARGET))
        ),
        row!(
            "`with`, on_cancel = spawn",
            spawning().with(async |number| work(number).await)
        ),
        row!(
            "`enter` and `exit`, on_cancel = drop",
            entered_and_exited_dropping()
        ),
        row!(
            "`enter` and `exit`, on_cancel = spawn",
            entered_and_exited(),
            Some((1, TARGET))
        ),
        row!(
            "`with` in `with`, on_cancel = drop",
            dropping().with(async |outer| {
                *outer += 1;
                dropping().with(async |inner| work(inner).await).await
            })
        ),
        row!(
            "`with`, on_cancel = drop, the body fails",
            dropping().with(async |_| -> Result<u64, Broken> { Err(Broken(black_box(1))) })
        ),
        row!("plain async call that suspends once", plain_suspended()),
        row!(
            "`with`, on_cancel = drop, suspends once",
            dropping().with(async |number| work_suspended(number).await)
        ),
        row!(
            "`with`, on_cancel = spawn, suspends once",
            spawning().with(async |number| work_suspended(number).await)
        ),
    ]
}

async fn measure() {
    let rows = rows();
    let mut turns = vec![Vec::with_capacity(TURNS); rows.len()];
    for _ in 0..TURNS {
        for (row, turns) in rows.iter().zip(&mut turns) {
            turns.push((row.turn)().await);
        }
    }

    println!(
        "{:<42} {:>8} {:>12} {:>12} {:>12}",
        "", "ns", "over plain", "median", "allocations"
    );
    let mut plain = 0.0;
    for (row, turns) in rows.iter().zip(&mut turns) {
        turns.sort_unstable();
        let one_call = |turn: Duration| turn.as_nanos() as f64 / f64::from(CALLS);
        let (fast, median) = (one_call(turns[TURNS / 10]), one_call(turns[TURNS / 2]));
        let allocations = (row.allocations)().await;
        if row.what.starts_with("plain async call") && !row.what.ends_with("boxed") {
            plain = fast;
        }
        print!(
            "{:<42} {fast:>8.1} {:>12.1} {median:>12.1} {allocations:>12}",
            row.what,
            fast - plain
        );
        match row.target {
            Some((most, nanoseconds)) => println!(
                "   target: {most} and {nanoseconds} ns, {}",
                Verdict(allocations <= most && fast <= nanoseconds)
            ),
            None => println!(),
        }
    }
}

struct Verdict(bool);

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "reached" } else { "MISSED" })
    }
}

/// Nanoseconds that a call takes while every thread makes as many.
fn at_once(threads: usize, row: &Row) -> Result<f64, Box<dyn Error>> {
    let begin = Barrier::new(threads);
    let turns = || -> io::Result<Duration> {
        begin.wait();
        let runtime = Builder::new_current_thread().build()?;
        let turn = row.turn;
        let taken = runtime.block_on(runtime.spawn(async move {
            let mut taken = Duration::ZERO;
            for _ in 0..TURNS {
                taken += turn().await;
            }
            taken
        }))?;
        Ok(taken)
    };
    let taken: io::Result<Duration> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(turns)).collect();
        let taken = running.into_iter().map(ScopedJoinHandle::join);
        taken.map(|taken| taken.expect("it only measures")).sum()
    });
    let calls = threads * TURNS * CALLS as usize;
    Ok(taken?.as_nanos() as f64 / calls as f64)
}

fn measure_at_once() -> Result<(), Box<dyn Error>> {
    let threads = thread::available_parallelism()?.get();
    let all = format!("{threads} at once");
    println!("\n{:<42} {:>8} {all:>12}", "", "1 thread");
    for row in rows().iter().filter(|row| row.target.is_some()) {
        let (one, all) = (at_once(1, row)?, at_once(threads, row)?);
        println!("{:<42} {one:>8.1} {all:>12.1}", row.what);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if cfg!(debug_assertions) {
        println!("These are the figures of a build without optimisation: say `--release`.\n");
    }
    // In a task of a runtime: where contexts live, and where entering one looks up both.
    let runtime = Builder::new_current_thread().build()?;
    runtime.block_on(async { tokio::spawn(measure()).await })?;
    measure_at_once()
}
