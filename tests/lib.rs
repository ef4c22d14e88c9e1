//! What the tests share: values that are counted, a log, random numbers, futures polled by hand, and the reports of one test file.
#![forbid(unsafe_code)]

mod census;
mod dice;
mod polling;
mod reports;
mod skips;

pub use census::{Census, Counted};
pub use dice::{Dice, number_from_env};
pub use polling::{DropAt, Yields, drop_at, last_kept, poll_once, quiet, quietly, yields};
pub use reports::Reports;
pub use skips::Skips;

use std::sync::{Arc, Mutex, PoisonError};

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// An empty one.
    pub fn new() -> Self {
        Log::default()
    }

    /// Adds a line.
    pub fn say(&self, line: impl Into<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.into());
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All lines so far, which are forgotten.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often a line was said.
    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|said| *said == line).count()
    }
}

/// The error of the tests' contexts.
#[derive(Debug, PartialEq, Eq)]
pub struct ContextError(pub &'static str);

/// The error of the tests' bodies.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body's own.
    Own(&'static str),
    /// The context's.
    Context(ContextError),
}

impl From<ContextError> for BodyError {
    fn from(error: ContextError) -> Self {
        BodyError::Context(error)
    }
}

/// The text of a panic.
pub fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    match payload.downcast_ref::<&'static str>() {
        Some(text) => text,
        None => payload
            .downcast_ref::<String>()
            .map_or("a panic without a text", String::as_str),
    }
}

/// Waits until no rollback of this process is pending; for good, if one has been lost without saying so. Off a runtime only.
pub fn assert_nothing_pending() {
    futures::executor::block_on(contextlib::background::drain());
}
