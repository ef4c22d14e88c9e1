//! Cancellation: rollbacks, their order, and waiting for them.
#![forbid(unsafe_code)]

mod drain;
mod ends_in_a_rollback;
mod from_lane_to_lane;
mod handed_over;
mod handover;
mod left_its_with;
mod order;
mod overlap;
mod panics;
mod runtimes;
mod shared;
mod shield;
mod spawned;
mod testkit;
