//! The outcome of a context that has ended by itself, without waiting for its body: as a timeout does.

use crate::{ExitKind, background::Entered, report};
use std::{fmt::Debug, thread};

/// What a context that has ended by itself has come to. It is kept here while the rollbacks that the body had started are waited for. If that is given up, the
/// drop of this reports it.
pub(super) struct Early<'a, E: Debug> {
    context: Option<thread::Result<Result<(), E>>>,
    entered: &'a Entered,
}

impl<'a, E: Debug> Early<'a, E> {
    pub(super) fn new(context: thread::Result<Result<(), E>>, entered: &'a Entered) -> Self {
        Early {
            context: Some(context),
            entered,
        }
    }

    pub(super) fn into_context(mut self) -> thread::Result<Result<(), E>> {
        self.context.take().unwrap_or(Ok(Ok(())))
    }
}

impl<E: Debug> Drop for Early<'_, E> {
    fn drop(&mut self) {
        let (entered, exit) = (self.entered, ExitKind::Cancelled);
        match self.context.take() {
            Some(Ok(Err(error))) => {
                report::failed(entered, exit, error);
            }
            Some(Err(payload)) => report::panicked(entered, exit, payload),
            Some(Ok(Ok(()))) | None => {}
        }
    }
}
