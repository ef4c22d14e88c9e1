//! Where a context was defined and entered.

use std::{fmt, panic::Location};

/// A context function's name and where it stands in the source.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    name: &'static str,
    location: &'static Location<'static>,
}

impl Definition {
    #[track_caller]
    pub(crate) fn here(name: &'static str) -> Self {
        Definition {
            name,
            location: Location::caller(),
        }
    }

    pub(crate) fn at(name: &'static str, location: &'static Location<'static>) -> Self {
        Definition { name, location }
    }

    /// Itself, read word by word: where it has just been written so, a copy as a whole waits for the words.
    #[inline(always)]
    pub(crate) fn by_parts(&self) -> Self {
        Definition {
            name: self.name,
            location: self.location,
        }
    }

    /// The context function's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it is defined.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the context `{}` ({})", self.name, self.location)
    }
}
