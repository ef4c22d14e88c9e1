//! Futures and guards dropped at every point: promise 11, what promise 13 says of them, and the policies of promise 18. Run under AddressSanitizer too.
#![forbid(unsafe_code)]

mod blocking;
mod promise_11_teardown_always_runs_once;
mod promise_11_wherever_the_guard_is_dropped;
mod promise_13_no_failure_is_lost;
mod promise_15_a_dropped_yield_point;
mod promise_18_block_at_shutdown;
mod promise_18_block_beyond_the_threads;
mod promise_18_block_where_it_cannot_work;
mod promise_18_policies;
mod runtimes;
