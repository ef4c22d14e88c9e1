//! Closing the entries of a stack, one after another.

use super::node::{Closed, Entry, List, Panicked};
use crate::{
    BodyError, ExitKind,
    background::Entered,
    frame::Ending,
    report::{self, ErrorIn, Failure},
};
use std::{
    task::{Context, Poll, ready},
    thread,
};

/// Closes entries from the innermost on. Dropped half-way, it leaves the remaining ones to their policies, in the same order.
pub(super) struct Unwinding<'e, E> {
    /// The entry that is being closed: the innermost that is left.
    current: Option<Entry<'e, E>>,
    entries: List<'e, E>,
    /// The outcome, as the inner entries left it: what the next entry is told. `None` while an entry has it.
    pending: Option<Ending>,
    /// The entry that has put that in place of the body's outcome, and how its own body had ended. `None` while it is the body's.
    by: Option<(Entered, ExitKind)>,
    /// The body's outcome, from then on. Not there if it was an error that an entry has panicked over, which is reported.
    body: Option<Ending>,
}

impl<E> Drop for Unwinding<'_, E> {
    fn drop(&mut self) {
        // Back into the list, whose drop keeps all of them in order, whatever lanes they were entered in.
        if let Some(entry) = self.current.take() {
            self.entries.push(entry);
        }
    }
}

impl<'e, E: BodyError> Unwinding<'e, E> {
    pub(super) fn new(entries: List<'e, E>, body: Ending) -> Self {
        Unwinding {
            current: None,
            entries,
            pending: Some(body),
            by: None,
            body: None,
        }
    }

    /// Closes the entries. Each is taken off the list before it runs.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let entry = match &mut self.current {
                Some(entry) => entry,
                current => match self.entries.pop() {
                    Some(entry) => current.insert(entry),
                    None => return Poll::Ready(()),
                },
            };
            let mut closed = Closed::well();
            ready!(entry.poll_close(&mut self.pending, &mut closed, cx));
            if let Some(entry) = self.current.take() {
                self.go_on(entry, &mut closed);
            }
        }
    }

    /// An entry is closed.
    fn go_on(&mut self, mut entry: Entry<'e, E>, closed: &mut Closed<E>) {
        let told = self.pending.as_ref();
        let is_told_on = told.is_some_and(|told| !told.is_suppressed());
        if closed.failed.is_some() || !is_told_on {
            let (failed, told) = (closed.failed.take(), self.pending.take());
            self.change(&entry.entered(), failed.unwrap_or(Ok(Ok(()))), told);
        }
        if let Some(added) = closed.added.take() {
            self.entries.append(added);
        }
        // A panic of a destructor counts as one of the teardown.
        if let Err(Panicked { entered, payload }) = entry.end() {
            let told = self.pending.take();
            self.change(&entered, Err(payload), told);
        }
    }

    /// An entry that was told `told` has come to `context`, which may change the outcome.
    #[cold]
    fn change(
        &mut self,
        entered: &Entered,
        context: thread::Result<Result<(), E>>,
        told: Option<Ending>,
    ) {
        let told = told.unwrap_or_else(Ending::cancelled);
        let exit = told.kind();
        let stands = told.stands();
        match context {
            Ok(Ok(())) if told.is_suppressed() => self.replace(entered, told, Ending::completed()),
            Ok(Ok(())) => self.pending = Some(told),
            Ok(Err(error)) if stands => {
                report::failed(entered, exit, error);
                self.pending = Some(told);
            }
            Ok(Err(error)) => self.replace(entered, told, Ending::failed(error)),
            Err(payload) if stands && exit == ExitKind::Panicked => {
                report::panicked(entered, exit, payload);
                self.pending = Some(told);
            }
            Err(payload) if stands => {
                let error = Failure::Error(&ErrorIn(&told));
                match self.by.replace((*entered, exit)) {
                    Some((failed, exit)) => report::failure(&failed, exit, error),
                    None => report::bodys_failure(entered, exit, error),
                }
                report::drop_quietly(entered, exit, told);
                self.pending = Some(Ending::panicked(payload));
            }
            Err(payload) => self.replace(entered, told, Ending::panicked(payload)),
        }
    }

    /// From here on, `new` is the outcome, by `entered`.
    fn replace(&mut self, entered: &Entered, told: Ending, new: Ending) {
        self.pending = Some(new);
        match self.by.replace((*entered, told.kind())) {
            None => self.body = Some(told),
            Some(_) => report::drop_quietly(entered, told.kind(), told),
        }
    }

    /// The pending outcome, if no entry has it.
    pub(super) fn take_pending(&mut self) -> Option<Ending> {
        self.pending.take()
    }

    /// What the entries have come to, and the body's outcome, suppressed or not.
    pub(super) fn finish(&mut self) -> (thread::Result<Result<(), E>>, Option<Ending>) {
        let pending = self.pending.take();
        if self.by.is_none() {
            return (Ok(Ok(())), pending);
        }
        // Every entry's error was converted to an `E`.
        let context = match pending.map(Ending::into_error) {
            Some(Ok(error)) => Ok(Err(error)),
            Some(Err(ending)) => ending.into_panic().map_or(Ok(Ok(())), Err),
            None => Ok(Ok(())),
        };
        (context, self.body.take())
    }
}
