//! Contexts put together: structs as contexts, tuples, boxed ones, and those that come with the library.

mod allocations;
mod any_context;
mod attacks;
mod blocks;
mod exit_as;
mod like_nested;
mod local_errors;
mod protocol;
mod ready_made;
mod statics;
mod tuples;
mod within;
