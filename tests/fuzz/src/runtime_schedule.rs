//! Nested contexts under a schedule of polls, wakes and drops.
#![no_main]

mod schedule;

libfuzzer_sys::fuzz_target!(|data: &[u8]| schedule::check(data));
