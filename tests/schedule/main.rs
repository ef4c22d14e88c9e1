//! The fuzzer's schedules without a fuzzer: those that found something once, and random ones.
//!
//! `SCHEDULES=100000 cargo test -p contextlib-tests --test schedule` runs more of them; `.ci/run fuzz` looks for new ones. `SCHEDULE="[1, 2, 3]"` runs
//! that one alone, as a failure prints it; with `TRACE=1` it tells what happens.
#![forbid(unsafe_code)]

#[path = "../fuzz/src/schedule/mod.rs"]
mod schedule;

use contextlib_tests::{Dice, number_from_env};
use std::{
    env, fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

/// One test, since what it looks at in the end (are rollbacks pending? lanes in use?) is the whole process.
#[test]
fn schedules_keep_the_promises() {
    if let Ok(schedule) = env::var("SCHEDULE") {
        let numbers = schedule.trim_matches(['[', ']']).split(',');
        let bytes: Vec<u8> = numbers
            .map(|number| number.trim().parse().expect("a byte"))
            .collect();
        return check(&bytes);
    }
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/runtime_schedule");
    let mut files: Vec<_> = fs::read_dir(seeds)
        .expect("the seeds are there")
        .map(|file| file.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        check(&fs::read(&file).expect("a readable file"));
    }

    let mut dice = Dice::new(number_from_env("SEED", 1));
    for _ in 0..number_from_env("SCHEDULES", 3_000) {
        let length = 8 + dice.below(120);
        let bytes: Vec<u8> = (0..length).map(|_| (dice.any() >> 32) as u8).collect();
        check(&bytes);
    }
}

fn check(bytes: &[u8]) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| schedule::check(bytes))) {
        eprintln!("the schedule was: {bytes:?}");
        panic::resume_unwind(payload);
    }
}
