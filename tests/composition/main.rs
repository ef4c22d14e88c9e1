//! Contexts put together: structs as contexts, tuples, boxed ones, and those that come with the library.

mod protocol;
