//! What a context comes to that has ended by itself.

use crate::{ExitKind, background::Entered, report};
use std::{fmt::Debug, thread};

/// What a context has come to that has ended by itself, while it waits for what its body had started. Dropped meanwhile, it reports that.
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
