//! Waiting for everything that is pending.

use super::{
    RuntimeId, Stuck,
    in_rollback::InRollback,
    lane::{Number, next_number},
    lane_range::LaneRange,
    table::{Draining, Table, any_pending, pending_on, table},
    waiter::Waiter,
};
use crate::cold::drop_waker;
use std::task::{Context, Poll, Waker, ready};

/// Waits until no rollback that runs on `runtime` is pending. Polled in a rollback, it waits only for contexts that were entered after that rollback's own.
pub(crate) struct Drained {
    runtime: RuntimeId,
    waiter: Number,
    /// The number of the context of the rollback that this is polled in, or was.
    inside: Option<Number>,
    /// In a rollback: the one that is waited for now, of those that were entered later.
    later: Option<([Option<LaneRange>; 1], Waiter)>,
}

impl Drained {
    #[inline]
    pub(crate) fn new(runtime: RuntimeId) -> Self {
        Drained {
            runtime,
            waiter: next_number(),
            inside: None,
            later: None,
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !any_pending() {
            return Poll::Ready(());
        }
        // At each poll: a teardown that was awaited when this began may have become a rollback since.
        if let Some(rollback) = InRollback::current() {
            self.inside = Some(rollback.number);
        }
        if let Some(number) = self.inside {
            return self.poll_later(number, cx);
        }
        let waker = cx.waker().clone();
        let mut table = table();
        let old = self.leave(&mut table);
        let blocked = table.count(self.runtime) > 0;
        if blocked {
            table.draining.push(Draining {
                runtime: self.runtime,
                waiter: self.waiter,
                waker,
            });
        }
        drop(table);
        drop_waker(old);
        if blocked {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// What it still waits for.
    pub(crate) fn pending(&self) -> Vec<Stuck> {
        pending_on(self.runtime, self.inside.unwrap_or(0))
    }

    /// Like everything in a rollback, this waits for higher numbers only: contexts with lower ones may be waiting for this rollback.
    #[cold]
    fn poll_later(&mut self, number: Number, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some((later, waiter)) = &mut self.later {
                ready!(waiter.poll(later, cx, 0));
                self.later = None;
            }
            let Some((lane, later)) = table().any_later(number, self.runtime) else {
                return Poll::Ready(());
            };
            let later = LaneRange::new(lane, later..later + 1);
            self.later = Some(([Some(later)], Waiter::default()));
        }
    }

    fn leave(&self, table: &mut Table) -> Option<Waker> {
        let mut draining = table.draining.iter();
        let at = draining.position(|draining| draining.waiter == self.waiter)?;
        Some(table.draining.swap_remove(at).waker)
    }
}

impl Drop for Drained {
    #[inline]
    fn drop(&mut self) {
        let mut table = table();
        let old = self.leave(&mut table);
        drop(table);
        drop_waker(old);
    }
}
