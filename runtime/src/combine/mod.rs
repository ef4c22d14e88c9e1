//! Contexts put together into one: tuples.
//!
//! - `nest` puts one context around another, in one frame.
//! - `told` decides what the outer one sees of the inner one's end, and what both come to.
//! - `tuple` makes nests of tuples.
//! - `map_err` changes a context's error.

mod map_err;
mod nest;
mod told;
mod tuple;

pub(crate) use map_err::{ErrInto, MapErr};
pub(crate) use nest::Nest;
pub use tuple::{ContextTuple, Undecided, combine};
