//! Random trees of contexts against a model: what happens in them, and in which order, is what a plain interpreter of the promises foretells.
//!
//! `PROPTEST_CASES=50000 cargo test -p contextlib-tests --test model` tries more of them. What has failed once is kept in `regressions.txt` and tried first.
#![forbid(unsafe_code)]

mod real;
mod semantics;
mod trace;
mod tree;

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, FileFailurePersistence},
};
use real::Carrier;
use std::{panic, thread};

/// How many trees, unless `PROPTEST_CASES` says so.
const CASES: u32 = 3_000;

fn config() -> Config {
    let mut config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/model/regressions.txt"
        )))),
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config
}

/// One test, since the report hook is the process's. Without optimisation, trees of futures take more of the stack than tests have.
#[test]
fn trees_do_what_the_model_says() {
    let tests = thread::Builder::new()
        .stack_size(1 << 28)
        .spawn(random_trees);
    if let Err(payload) = tests.expect("a thread starts").join() {
        panic::resume_unwind(payload);
    }
}

proptest! {
    #![proptest_config(config())]

    fn random_trees(
        tree in tree::tree(),
        cut in any::<Option<Index>>(),
        carrier in prop_oneof![Just(Carrier::BlockOn), Just(Carrier::Task), Just(Carrier::Lane)],
    ) {
        let whole = semantics::foretell(&tree, None);
        let cut = cut.filter(|_| whole.steps > 0).map(|cut| cut.index(whole.steps));
        let foretold = match cut {
            None => whole,
            cut => semantics::foretell(&tree, cut),
        };
        let seen = real::run(&tree, cut, carrier);
        let differences = trace::differences(&foretold, &seen);
        prop_assert!(
            differences.is_empty(),
            "cut at {cut:?}:\n{differences}\n{foretold:?}\n{seen:?}\n{tree:?}"
        );
    }
}
