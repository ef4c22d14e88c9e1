//! What is counted, by the program and in the database, and how it is shown.

use std::{
    fmt::Write,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
};

#[derive(Default)]
pub(crate) struct Figures {
    // By the clients.
    pub(crate) answered: Count,
    pub(crate) hung_up: Count,
    // By the server.
    pub(crate) begun: Count,
    pub(crate) committed: Count,
    pub(crate) rolled_back: [Count; 5],
    pub(crate) leased: Count,
    pub(crate) given_back: Count,
    pub(crate) out_of_order: Count,
    pub(crate) answered_early: Count,
    /// Teardowns that a guard has spawned and that aren't over.
    pub(crate) spawned: Count,
    pub(crate) pending_after_serving: Count,
    pub(crate) pending_at_end: Count,
    /// Connections that didn't come back to the pool, or came in a transaction.
    pub(crate) left_in_pool: Count,
    // By the database.
    pub(crate) leases_left: Count,
    pub(crate) audited: Count,
    pub(crate) transfers_in_ledger: Count,
    pub(crate) wrong_accounts: Count,
    pub(crate) wrong_sum: Count,
    pub(crate) connections_left: Count,
    pub(crate) locks_left: Count,
}

#[derive(Default)]
pub(crate) struct Count(AtomicI64);

impl Count {
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Why a transaction was rolled back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cause {
    Failed,
    Panicked,
    TimedOut,
    HungUp,
    ShutDown,
}

impl Cause {
    pub(crate) const ALL: [(Cause, &str); 5] = [
        (Cause::Failed, "the body failed"),
        (Cause::Panicked, "the body panicked"),
        (Cause::TimedOut, "it timed out"),
        (Cause::HungUp, "the client hung up"),
        (Cause::ShutDown, "the server was shut down"),
    ];
}

/// What is known of one request; it outlives the request's handler.
#[derive(Default)]
pub(crate) struct Progress {
    cause: AtomicU8,
    begun: AtomicBool,
    over: AtomicBool,
    giving_back: AtomicBool,
}

const UNKNOWN: u8 = 0;

impl Progress {
    /// The first cause counts: what comes after follows from it.
    pub(crate) fn ends_because(&self, cause: Cause) {
        let cause = cause as u8 + 1;
        let _ = self
            .cause
            .compare_exchange(UNKNOWN, cause, Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        let index = usize::from(self.cause.load(Ordering::SeqCst)).checked_sub(1)?;
        Some(Cause::ALL[index].0)
    }

    pub(crate) fn begins(&self, figures: &Figures) {
        self.begun.store(true, Ordering::SeqCst);
        figures.begun.add_one();
    }

    pub(crate) fn committed(&self, figures: &Figures) {
        figures.committed.add_one();
        self.is_over(figures);
    }

    pub(crate) fn rolled_back(&self, figures: &Figures, cause: Cause) {
        figures.rolled_back[cause as usize].add_one();
        self.is_over(figures);
    }

    fn is_over(&self, figures: &Figures) {
        self.over.store(true, Ordering::SeqCst);
        if self.giving_back.load(Ordering::SeqCst) {
            figures.out_of_order.add_one();
        }
    }

    /// The teardown of the lease starts: from now on it is too late for a transaction inside it to end.
    pub(crate) fn gives_back(&self) {
        self.giving_back.store(true, Ordering::SeqCst);
    }

    /// The client gets its answer.
    pub(crate) fn is_answered(&self, figures: &Figures) {
        let awaited = matches!(self.cause(), None | Some(Cause::Failed));
        if awaited && self.begun.load(Ordering::SeqCst) && !self.over.load(Ordering::SeqCst) {
            figures.answered_early.add_one();
        }
    }
}

impl Figures {
    fn all_rolled_back(&self) -> i64 {
        self.rolled_back.iter().map(Count::get).sum()
    }

    fn end_not_seen(&self) -> i64 {
        self.begun.get() - self.committed.get() - self.all_rolled_back()
    }

    fn audits_missing(&self) -> i64 {
        self.leased.get() - self.audited.get()
    }

    /// Everything that should have happened and hasn't, or the other way round.
    pub(crate) fn lost(&self) -> u64 {
        let losses = [
            self.end_not_seen(),
            self.committed.get() - self.transfers_in_ledger.get(),
            self.pending_at_end.get(),
            self.leased.get() - self.given_back.get(),
            self.leases_left.get(),
            self.audits_missing(),
            self.out_of_order.get(),
            self.answered_early.get(),
            self.wrong_accounts.get(),
            self.wrong_sum.get(),
            self.left_in_pool.get(),
            self.connections_left.get(),
            self.locks_left.get(),
        ];
        losses.into_iter().map(i64::unsigned_abs).sum()
    }

    /// What has to have happened, or the check says nothing.
    pub(crate) fn unseen(&self) -> Vec<&'static str> {
        let mut unseen = Vec::new();
        for (count, what) in [(&self.committed, "a commit"), (&self.hung_up, "a hang-up")] {
            if count.get() == 0 {
                unseen.push(what);
            }
        }
        for (cause, what) in Cause::ALL {
            if self.rolled_back[cause as usize].get() == 0 {
                unseen.push(what);
            }
        }
        unseen
    }

    fn rows(&self) -> Vec<(String, Option<i64>)> {
        let row = |what: &str, figure: i64| (what.to_owned(), Some(figure));
        let mut rows = vec![
            row("requests that were answered", self.answered.get()),
            row("clients that hung up", self.hung_up.get()),
            row("transactions begun", self.begun.get()),
            row("  committed", self.committed.get()),
        ];
        for (cause, what) in Cause::ALL {
            let what = format!("  rolled back: {what}");
            rows.push((what, Some(self.rolled_back[cause as usize].get())));
        }
        rows.extend([
            row("  whose end the program never saw", self.end_not_seen()),
            row("leases taken", self.leased.get()),
            ("at the shutdowns".to_owned(), None),
            row(
                "  teardowns in the background when the last request was over",
                self.pending_after_serving.get(),
            ),
            row(
                "  teardowns in the background when the server had ended",
                self.pending_at_end.get(),
            ),
            row(
                "  connections that had not come back to the pool",
                self.left_in_pool.get(),
            ),
            ("in the database, in the end".to_owned(), None),
            row("  leases never given back", self.leases_left.get()),
            row("  rows of the audit never written", self.audits_missing()),
            row("  connections left", self.connections_left.get()),
            row("  locks left", self.locks_left.get()),
            row(
                "  accounts that the ledger disagrees with",
                self.wrong_accounts.get(),
            ),
            row("  money made or lost", self.wrong_sum.get()),
            ("order".to_owned(), None),
            row(
                "  leases given back before their transaction was over",
                self.out_of_order.get(),
            ),
            row(
                "  failures answered before they were rolled back",
                self.answered_early.get(),
            ),
        ]);
        rows
    }
}

pub(crate) fn table(columns: &[(&str, Figures)]) -> String {
    let mut table = format!("{:<62}", "");
    for (name, _) in columns {
        let _ = write!(table, "{name:>16}");
    }
    table.push('\n');
    let columns: Vec<_> = columns.iter().map(|(_, figures)| figures.rows()).collect();
    for (row, (what, _)) in columns[0].iter().enumerate() {
        let _ = write!(table, "{what:<62}");
        for column in &columns {
            if let Some(figure) = column[row].1 {
                let _ = write!(table, "{figure:>16}");
            }
        }
        table.push('\n');
    }
    table
}
