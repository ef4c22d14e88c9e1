//! What `contextlib` costs, beside writing it by hand and beside every alternative: the rows that are measured, and how.
//!
//! `main.rs` is the command, `cargo bench -p contextlib-benches`; the [README](https://github.com/contextlib-rs/contextlib/tree/main/runtime/benches) says
//! what each table means. The rows are a library since two programs run them: the command itself, and `allocations`, whose allocator counts.

#![forbid(unsafe_code)]

pub mod contexts;
pub mod harness;
pub mod minimal;
#[cfg(feature = "peers")]
pub mod peers;
pub mod probe;
pub mod scaling;
pub mod sizes;
pub mod work;

use harness::Row;

/// Every row, for programs that run them all.
pub fn rows() -> Vec<Row> {
    #[cfg_attr(not(feature = "peers"), allow(unused_mut))]
    let mut rows = contexts::rows();
    #[cfg(feature = "peers")]
    rows.extend(peers::rows());
    rows
}
