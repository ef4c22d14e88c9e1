//! What Python's own tests say of `@asynccontextmanager`, `async with` and `asyncio.timeout`, under the names that they have there. `CONFORMANCE.md` is the
//! table. Those of `AsyncExitStack` are in `exit_stack/python.rs`.
#![forbid(unsafe_code)]

mod async_with;
mod asynccontextmanager;
mod table;
mod timeout;

pub use asynccontextmanager::documented;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Python's `state` lists.
#[derive(Clone, Default)]
struct State(Arc<Mutex<Vec<String>>>);

impl State {
    fn append(&self, what: impl fmt::Display) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.push(what.to_string());
    }

    fn get(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Python's `ZeroDivisionError`: an error of the body's.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ZeroDivisionError(u32);

/// An error of a context's.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RuntimeError;

/// An application's error.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Error {
    ZeroDivision(ZeroDivisionError),
    Runtime(RuntimeError),
    Timeout,
}

impl From<ZeroDivisionError> for Error {
    fn from(error: ZeroDivisionError) -> Self {
        Error::ZeroDivision(error)
    }
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        Error::Runtime(error)
    }
}

impl From<contextlib::contexts::Elapsed> for Error {
    fn from(_: contextlib::contexts::Elapsed) -> Self {
        Error::Timeout
    }
}

/// The error in a body that is to fail.
fn one_by_zero() -> Result<(), ZeroDivisionError> {
    Err(ZeroDivisionError(999))
}
