//! Contexts put together: structs as contexts, tuples, boxed ones, and those that come with the library.

mod blocks;
mod like_nested;
mod protocol;
mod tuples;
mod within;
