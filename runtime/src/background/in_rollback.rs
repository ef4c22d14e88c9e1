//! Which rollback this thread is polling.

use super::lane::{Lane, Number};
use std::cell::Cell;

thread_local! {
    // An `InRollback`, or zeros. In three variables: a single one would be restored in another width than it was saved in, and the read would wait for the writes.
    static ROLLBACK: Cell<Number> = const { Cell::new(0) };
    static BEGAN: Cell<Number> = const { Cell::new(0) };
    static ROOT: Cell<Option<Lane>> = const { Cell::new(None) };
}

/// The rollback that a thread is polling.
#[derive(Clone, Copy)]
pub(crate) struct InRollback {
    /// Its context's number. What is torn down inside the rollback can't wait for it, nor for what may be waiting for it: contexts with lower numbers.
    pub(crate) number: Number,
    /// When it began. What has been entered around it since is below nothing that it tears down.
    pub(crate) began: Number,
    /// The root that its context was entered in.
    pub(crate) root: Option<Lane>,
}

impl InRollback {
    pub(crate) fn current() -> Option<Self> {
        match ROLLBACK.try_with(Cell::get) {
            Ok(0) | Err(_) => None,
            Ok(number) => {
                let began = BEGAN.try_with(Cell::get).ok()?;
                let root = ROOT.try_with(Cell::get).ok()?;
                Some(InRollback {
                    number,
                    began,
                    root,
                })
            }
        }
    }

    /// What is torn down here waits only for higher numbers than this. Whatever waits for a rollback that this thread is polling has a lower one.
    pub(crate) fn floor() -> Number {
        ROLLBACK.try_with(Cell::get).unwrap_or(0)
    }

    /// Makes this the current rollback until the returned value is dropped. If it runs inside another one, which it blocks, neither can be waited for: so the
    /// higher number of the two counts.
    pub(crate) fn enter(self) -> Rolling {
        // An error: the thread is ending, and there is nothing to be restored.
        let number = ROLLBACK.try_with(|number| number.replace(self.number.max(number.get())));
        let began = BEGAN.try_with(|began| began.replace(self.began));
        let root = ROOT.try_with(|root| root.replace(self.root));
        Rolling(InRollback {
            number: number.unwrap_or(0),
            began: began.unwrap_or(0),
            root: root.ok().flatten(),
        })
    }
}

/// Restores the rollback that was current before, or that there was none.
#[must_use]
pub(crate) struct Rolling(InRollback);

impl Drop for Rolling {
    fn drop(&mut self) {
        // An error: the thread is ending.
        let _ = ROLLBACK.try_with(|number| number.set(self.0.number));
        let _ = BEGAN.try_with(|began| began.set(self.0.began));
        let _ = ROOT.try_with(|root| root.set(self.0.root));
    }
}
