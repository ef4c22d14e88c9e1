//! What an entry of an exit stack costs, from one entry to a hundred thousand.
//!
//! ```console
//! cargo run --release -p contextlib-examples --example stack_scaling
//! ```
//!
//! Each row fills stacks and empties them until as many entries have been through as in every other row. The rows take turns, and each figure is the
//! median of its turns. So what else the machine does falls on all of them alike.

#![forbid(unsafe_code)]

use contextlib::{ExitStack, async_context, background, kind::Never, yield_resource};
use std::{
    fmt,
    future::poll_fn,
    hint::black_box,
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};
use tokio::runtime::Builder;

const SIZES: [usize; 4] = [1, 10, 1_000, 100_000];
const ENTRIES: usize = 100_000;
const TURNS: usize = 15;

const ALLOCATIONS: f64 = 1.0;
const OVER_CONTEXT: f64 = 60.0;
const FLAT: f64 = 1.5;

#[async_context]
async fn number() -> u64 {
    let mut number = black_box(1);
    let _ = yield_resource!(number);
    black_box(number);
}

/// As many contexts, open at the same time, each with a guard of its own.
async fn guards(many: usize) {
    let mut guards = Vec::new();
    for _ in 0..many {
        let Ok(mut number) = number().enter().await;
        *number += 1;
        guards.push(number);
    }
    while let Some(guard) = guards.pop() {
        let Ok(()) = guard.exit().await;
    }
}

async fn filled(many: usize) -> ExitStack<'static, Never> {
    let stack = ExitStack::new();
    for _ in 0..many {
        let Ok(number) = stack.enter(number()).await;
        *number += 1;
    }
    stack
}

async fn entered_and_exited(many: usize) {
    let Ok(()) = filled(many).await.exit().await;
}

async fn called_back(many: usize) {
    let stack = ExitStack::<Never>::new();
    for at in 0..many {
        stack.callback(move || {
            black_box(at);
        });
    }
    let Ok(()) = stack.exit().await;
}

async fn dropped(many: usize) {
    drop(filled(many).await);
    background::drain().await;
}

/// What a stack's list needs for itself, without what is on it: nothing for the first entry.
async fn grown_list(many: usize) {
    let mut list = Vec::new();
    for at in 1..many {
        list.push([at; 4]);
    }
    black_box(list);
}

/// Does something with so many entries.
type Work = fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>>;

const COLUMNS: [(&str, Work); 4] = [
    ("guards", |many| Box::pin(guards(many))),
    ("enter, exit", |many| Box::pin(entered_and_exited(many))),
    ("callback", |many| Box::pin(called_back(many))),
    ("dropped", |many| Box::pin(dropped(many))),
];

/// Nanoseconds for an entry, where `ENTRIES` go through stacks of this size.
async fn turn(work: Work, size: usize) -> f64 {
    let mut spent = Duration::ZERO;
    for _ in 0..ENTRIES / size {
        let work = work(size);
        let start = Instant::now();
        work.await;
        spent += start.elapsed();
    }
    spent.as_nanos() as f64 / ENTRIES as f64
}

async fn allocations(work: impl Future<Output = ()>) -> f64 {
    let mut work = pin!(work);
    let mut count = 0;
    poll_fn(|cx| {
        let mut polled = Poll::Pending;
        count += allocation_counter::measure(|| polled = work.as_mut().poll(cx)).count_total;
        polled
    })
    .await;
    count as f64
}

/// The figures of one size.
struct Row {
    size: usize,
    turns: [Vec<f64>; COLUMNS.len()],
}

impl Row {
    fn medians(&mut self) -> [f64; COLUMNS.len()] {
        self.turns.each_mut().map(|turns| {
            turns.sort_unstable_by(f64::total_cmp);
            turns[turns.len() / 2]
        })
    }
}

struct Verdict(bool);

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "reached" } else { "MISSED" })
    }
}

async fn measure() {
    let mut rows = SIZES.map(|size| Row {
        size,
        turns: Default::default(),
    });
    for _ in 0..TURNS {
        for row in &mut rows {
            for ((_, work), turns) in COLUMNS.iter().zip(&mut row.turns) {
                turns.push(turn(*work, row.size).await);
            }
        }
    }

    println!("Nanoseconds and allocations for an entry.\n");
    print!("{:>9}", "entries");
    for (what, _) in COLUMNS {
        print!(" {what:>12}");
    }
    println!(" {:>12} {:>12}", "over guards", "allocations");
    let (mut exits, mut most_over, mut most_allocations) = (Vec::new(), 0.0_f64, 0.0_f64);
    for row in &mut rows {
        let [guard, exit, ..] = row.medians();
        let all = allocations(entered_and_exited(row.size)).await;
        let for_list = allocations(grown_list(row.size)).await;
        let for_entry = (all - for_list) / row.size as f64;
        print!("{:>9}", row.size);
        for median in row.medians() {
            print!(" {median:>12.1}");
        }
        println!(" {:>12.1} {for_entry:>12.3}", exit - guard);
        if row.size > 1 {
            exits.push(exit);
        }
        most_over = most_over.max(exit - guard);
        most_allocations = most_allocations.max(for_entry);
    }
    let least = exits.iter().copied().fold(f64::INFINITY, f64::min);
    let flatness = exits.iter().copied().fold(0.0, f64::max) / least;

    println!(
        "\n\
         guards: the same contexts in a list of guards. dropped: filled, dropped un-exited, and rolled back as tasks in the background.\n\
         A stack of one bears the cost of the stack itself.\n\n\
         Targets: at most {ALLOCATIONS} allocation for an entry beside the growing list: {};\n         \
         at most {OVER_CONTEXT} ns over the guards, for each: {};\n         \
         flat, from 10 entries on: the dearest size at most {FLAT} times the cheapest ({flatness:.2}): {}.",
        Verdict(most_allocations <= ALLOCATIONS),
        Verdict(most_over <= OVER_CONTEXT),
        Verdict(flatness <= FLAT),
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if cfg!(debug_assertions) {
        println!("These are the figures of a build without optimisation: say `--release`.\n");
    }
    let runtime = Builder::new_current_thread().build()?;
    runtime.block_on(async { tokio::spawn(measure()).await })?;
    Ok(())
}
