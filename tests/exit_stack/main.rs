//! The exit stack: what Python's tests say of it (`python`), its own promises, and attacks on its unsafe code.
#![forbid(unsafe_code)]

mod attacks;
mod order;
mod outcomes;
mod python;
mod scale;
mod shared;
