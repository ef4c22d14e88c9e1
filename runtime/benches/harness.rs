//! Runs rows: in turns, on a runtime, for as many times as asked.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// A future whose type nobody needs to know. Only a whole turn is boxed, not what is measured.
pub type Turn<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One line of a table.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name, the same in every table and in the baseline.
    pub name: &'static str,
    /// What it is compared with: the name of a row of the same list.
    pub beside: &'static str,
    /// Does it so many times.
    pub run: fn(u32) -> Turn<()>,
    /// On which runtime.
    pub on: On,
    /// How often what is counted happens in one run, such as the entries of a stack.
    pub parts: u32,
}

/// Where a row runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// In a task of a runtime with one thread.
    CurrentThread,
    /// In a task of a runtime with two worker threads, for those that block.
    MultiThread,
}

impl Row {
    /// It takes place on a multi-thread runtime.
    #[must_use]
    pub const fn on_many_threads(self) -> Self {
        Row {
            on: On::MultiThread,
            ..self
        }
    }

    /// How often it is run to be counted, so that its parts are about this many.
    pub fn times(&self, parts: u32) -> u32 {
        (parts / self.parts).max(1)
    }

    /// One run does what is counted so many times.
    #[must_use]
    pub const fn parts(self, parts: u32) -> Self {
        Row { parts, ..self }
    }
}

/// A row of one expression, a future, that is awaited again and again.
#[macro_export]
macro_rules! row {
    ($name:expr, beside $beside:expr, $call:expr) => {
        $crate::harness::Row {
            name: $name,
            beside: $beside,
            run: |times| {
                Box::pin(async move {
                    for _ in 0..times {
                        let _ = std::hint::black_box($call.await);
                    }
                })
            },
            on: $crate::harness::On::CurrentThread,
            parts: 1,
        }
    };
}

/// The runtimes that rows run on.
pub struct Runtimes {
    current_thread: Runtime,
    multi_thread: Runtime,
}

impl Runtimes {
    /// # Panics
    /// If there are no threads to be had.
    #[expect(
        clippy::new_without_default,
        reason = "starting threads is no default value"
    )]
    pub fn new() -> Self {
        let build = |mut builder: Builder| {
            builder
                .enable_all()
                .build()
                .expect("a runtime needs threads")
        };
        let mut multi_thread = Builder::new_multi_thread();
        multi_thread.worker_threads(2);
        Runtimes {
            current_thread: build(Builder::new_current_thread()),
            multi_thread: build(multi_thread),
        }
    }

    /// The one for such rows.
    pub fn on(&self, on: On) -> &Runtime {
        match on {
            On::CurrentThread => &self.current_thread,
            On::MultiThread => &self.multi_thread,
        }
    }

    /// In a task, which is where contexts live, and where entering one looks up both the task and its runtime.
    ///
    /// # Panics
    /// If the row panics.
    pub fn run(&self, row: &Row, times: u32) {
        let done = self
            .on(row.on)
            .block_on(async { tokio::spawn((row.run)(times)).await });
        done.expect("a row doesn't panic");
    }

    fn time(&self, row: &Row, times: u32) -> Duration {
        let run = row.run;
        let done = self.on(row.on).block_on(async move {
            tokio::spawn(async move {
                let run = run(times);
                let start = Instant::now();
                run.await;
                start.elapsed()
            })
            .await
        });
        done.expect("a row doesn't panic")
    }
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each row has its turn.
    pub turns: usize,
    /// How long a turn takes.
    pub turn: Duration,
}

impl Effort {
    /// What the tables are made with.
    pub const FULL: Effort = Effort {
        turns: 101,
        turn: Duration::from_millis(2),
    };

    /// For a look.
    pub const QUICK: Effort = Effort {
        turns: 11,
        turn: Duration::from_micros(500),
    };
}

/// Nanoseconds for one of each row's [parts](Row::parts): the median of its turns. The rows take turns, so that what else the machine does falls on all of
/// them alike.
pub fn nanoseconds(runtimes: &Runtimes, rows: &[Row], effort: Effort) -> Vec<f64> {
    let times: Vec<u32> = rows
        .iter()
        .map(|row| calibrated(runtimes, row, effort.turn))
        .collect();
    let mut turns = vec![Vec::with_capacity(effort.turns); rows.len()];
    for _ in 0..effort.turns {
        for ((row, times), turns) in rows.iter().zip(&times).zip(&mut turns) {
            turns.push(runtimes.time(row, *times));
        }
    }
    turns
        .into_iter()
        .zip(rows.iter().zip(times))
        .map(|(mut turns, (row, times))| {
            turns.sort_unstable();
            turns[turns.len() / 2].as_nanos() as f64 / (f64::from(times) * f64::from(row.parts))
        })
        .collect()
}

/// How many times fill a turn.
fn calibrated(runtimes: &Runtimes, row: &Row, turn: Duration) -> u32 {
    let mut times = 1;
    loop {
        let taken = runtimes.time(row, times);
        if taken >= turn / 2 || times >= 1 << 24 {
            let filling = f64::from(times) * turn.as_secs_f64() / taken.as_secs_f64().max(1e-9);
            return (filling as u32).max(1);
        }
        times *= 2;
    }
}
