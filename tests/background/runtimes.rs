//! No runtime, several, and one that is gone.
