//! Values that are counted: each has to be dropped, and once.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Knows each [`Counted`] value that it has made, and how often that was dropped.
#[derive(Clone, Debug, Default)]
pub struct Census(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: usize,
    /// By number: the name, and the drops so far.
    values: BTreeMap<usize, (&'static str, usize)>,
}

impl Census {
    /// One that knows of no values.
    pub fn new() -> Self {
        Census::default()
    }

    fn table<R>(&self, f: impl FnOnce(&mut Table) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new value.
    pub fn value(&self, name: &'static str) -> Counted {
        let number = self.table(|table| {
            table.next += 1;
            table.values.insert(table.next, (name, 0));
            table.next
        });
        Counted {
            census: self.clone(),
            number: Box::new(number),
            _size: [number; 4],
        }
    }

    /// How many values of that name there have been.
    pub fn born(&self, name: &str) -> usize {
        self.table(|table| {
            table
                .values
                .values()
                .filter(|(known, _)| *known == name)
                .count()
        })
    }

    /// The names of those that are still alive.
    pub fn alive(&self) -> Vec<&'static str> {
        self.table(|table| {
            table
                .values
                .values()
                .filter(|(_, drops)| *drops == 0)
                .map(|(name, _)| *name)
                .collect()
        })
    }

    /// Panics unless each value has been dropped exactly once.
    #[track_caller]
    pub fn assert_balanced(&self, when: impl fmt::Display) {
        let wrong: Vec<_> = self.table(|table| {
            let values = table.values.values().filter(|(_, drops)| *drops != 1);
            values
                .map(|(name, drops)| format!("{name}: {drops} drops"))
                .collect()
        });
        assert!(wrong.is_empty(), "{when}: {wrong:?}");
    }
}

/// A value whose drops are counted. It lies on the heap, so that AddressSanitizer sees its abuse too, and is too large for registers.
pub struct Counted {
    census: Census,
    number: Box<usize>,
    _size: [usize; 4],
}

impl Counted {
    /// Reads it.
    pub fn touch(&self) {
        let number = *self.number;
        let alive = self.census.table(|table| table.values[&number].1 == 0);
        assert!(alive, "number {number} is used after its drop");
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.touch();
        let name = self.census.table(|table| table.values[&*self.number].0);
        f.write_str(name)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let number = *self.number;
        self.census.table(|table| {
            if let Some((_, drops)) = table.values.get_mut(&number) {
                *drops += 1;
            }
        });
    }
}
