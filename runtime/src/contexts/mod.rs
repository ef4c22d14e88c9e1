//! Contexts that come with the library.

mod null_context;

pub use null_context::null_context;
