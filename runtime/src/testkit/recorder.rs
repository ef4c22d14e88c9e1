//! What a scenario tells of itself, and what is injected into it.

use super::{Cut, Injection, tasks::MANY};
use std::{
    collections::HashMap,
    fmt,
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Where a scenario records what it acquires and releases, and where failures come from. Clones write to the same record.
#[derive(Clone, Debug)]
pub struct Recorder {
    record: Arc<Mutex<Record>>,
    branch: usize,
}

#[derive(Debug, Default)]
struct Record {
    cut: Cut,
    steps: usize,
    /// How many steps each branch has taken since the scenario was over.
    late: Option<HashMap<usize, usize>>,
    branches: usize,
    /// What is held: the branch, and the name.
    held: Vec<(usize, &'static str)>,
    trace: Vec<String>,
    problems: Vec<Problem>,
}

/// Virtual.
const A_DAY: Duration = Duration::from_secs(86_400);

/// The failure of a [step](Recorder::step).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Injected {
    step: &'static str,
}

impl Injected {
    /// The step's name.
    pub fn step(&self) -> &'static str {
        self.step
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a failure injected at `{}`", self.step)
    }
}

impl std::error::Error for Injected {}

/// The payload of an injected panic.
pub(super) struct InjectedPanic;

/// What a run has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// This was acquired and never released. [`Found::trace`](super::Found::trace) says so of a context that couldn't be rolled back on the kit's runtime.
    NotReleased(&'static str),
    /// This was released when it was not held, or not any more.
    NotHeld(&'static str),
    /// The first was released while the second, acquired after it, was still held.
    OutOfOrder(&'static str, &'static str),
    /// The scenario panicked by itself, with this message.
    Panicked(String),
    /// The scenario was never over: nothing would have woken it.
    Hung,
    /// These contexts' rollbacks were never over.
    Stuck(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NotReleased(name) => write!(f, "`{name}` was acquired and never released"),
            Problem::NotHeld(name) => write!(f, "`{name}` was released when it was not held"),
            Problem::OutOfOrder(name, inner) => write!(
                f,
                "`{name}` was released before `{inner}`, which was acquired after it"
            ),
            Problem::Panicked(message) => write!(f, "the scenario panicked: {message}"),
            Problem::Hung => f.write_str("the scenario hangs"),
            Problem::Stuck(contexts) => write!(f, "{contexts}"),
        }
    }
}

impl Record {
    /// Counts a step of that branch: one that takes step after step is to let the clock go on.
    fn is_tired(&mut self, branch: usize) -> bool {
        let Some(late) = &mut self.late else {
            return false;
        };
        let late = late.entry(branch).or_default();
        *late += 1;
        *late > MANY
    }
}

impl Recorder {
    pub(super) fn new(cut: Cut) -> Self {
        Recorder {
            record: Arc::new(Mutex::new(Record {
                cut,
                ..Record::default()
            })),
            branch: 0,
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is held from now on: a connection is open, a row is locked.
    pub fn acquired(&self, name: &'static str) {
        let mut record = self.record();
        record.trace.push(format!("acquired {name}"));
        record.held.push((self.branch, name));
    }

    /// It is held no longer. Of several of that name, the one acquired last.
    pub fn released(&self, name: &'static str) {
        let mut record = self.record();
        record.trace.push(format!("released {name}"));
        let this = (self.branch, name);
        let Some(at) = record.held.iter().rposition(|held| *held == this) else {
            return record.problems.push(Problem::NotHeld(name));
        };
        let mut inner = record.held[at + 1..].iter();
        let inner = inner.rfind(|(branch, _)| *branch == self.branch);
        if let Some((_, inner)) = inner.copied() {
            record.problems.push(Problem::OutOfOrder(name, inner));
        }
        record.held.remove(at);
    }

    /// A point where the scenario can be dropped, and where a failure or a panic is injected: it suspends once. Put it where the real thing would await something
    /// that can fail.
    ///
    /// # Errors
    /// [`Injected`], in the runs in which this step is to fail.
    ///
    /// # Panics
    /// In the runs in which this step is to panic.
    ///
    /// # Cancellation
    /// What it is for.
    pub async fn step(&self, name: &'static str) -> Result<(), Injected> {
        let (injection, tired) = {
            let mut record = self.record();
            record.steps += 1;
            let this = record.steps;
            let injection = record.cut.inject.filter(|(step, _)| *step == this);
            let injection = injection.map(|(_, injection)| injection);
            let how = match injection {
                None => "",
                Some(Injection::Failure) => ", which fails",
                Some(Injection::Panic) => ", which panics",
            };
            record.trace.push(format!("step {this}: {name}{how}"));
            (injection, record.is_tired(self.branch))
        };
        if tired {
            tokio::time::sleep(A_DAY).await;
        }
        tokio::task::yield_now().await;
        match injection {
            None => Ok(()),
            Some(Injection::Failure) => Err(Injected { step: name }),
            // Not by `panic!`: the panic hook would print each of them.
            Some(Injection::Panic) => resume_unwind(Box::new(InjectedPanic)),
        }
    }

    /// A recorder of the same record for a branch of a `join!`, or a task: order is looked at within each branch only.
    ///
    /// What becomes of a task when the scenario is over is told [there](super#tasks).
    pub fn branch(&self) -> Self {
        let mut record = self.record();
        record.branches += 1;
        Recorder {
            record: self.record.clone(),
            branch: record.branches,
        }
    }

    pub(super) fn note(&self, what: impl Into<String>) {
        self.record().trace.push(what.into());
    }

    pub(super) fn problem(&self, problem: Problem) {
        self.record().problems.push(problem);
    }

    /// The scenario is over: what is still running hasn't got many steps to go.
    pub(super) fn over(&self) {
        self.record().late = Some(HashMap::new());
    }

    pub(super) fn steps(&self) -> usize {
        self.record().steps
    }

    /// The run is over: what is left, and what there was.
    pub(super) fn close(&self) -> (Vec<Problem>, Vec<String>) {
        let mut record = self.record();
        let held = std::mem::take(&mut record.held);
        let mut problems = std::mem::take(&mut record.problems);
        problems.extend(held.iter().map(|(_, name)| Problem::NotReleased(name)));
        (problems, std::mem::take(&mut record.trace))
    }
}
