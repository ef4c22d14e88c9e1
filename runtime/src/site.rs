//! Where a context was defined and entered.

use std::{fmt, panic::Location};

/// A context function's name and where it stands in the source.
#[derive(Clone, Copy)]
pub struct Definition {
    // A function, and not a `&str`: with the location these are two words, which go through registers.
    name: fn() -> &'static str,
    location: &'static Location<'static>,
}

impl Definition {
    #[track_caller]
    pub(crate) fn here(name: fn() -> &'static str) -> Self {
        Definition {
            name,
            location: Location::caller(),
        }
    }

    pub(crate) fn at(name: fn() -> &'static str, location: &'static Location<'static>) -> Self {
        Definition { name, location }
    }

    /// The context function's name.
    pub fn name(&self) -> &'static str {
        (self.name)()
    }

    /// Where it is defined.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name())
            .field("location", &self.location)
            .finish()
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the context `{}` ({})", self.name(), self.location)
    }
}
