//! What the compiler says to mistakes that people make, one folder per kind of mistake.
//!
//! The wording of rustc changes from version to version, so these run on the one that they were written with.
//! `TRYBUILD=overwrite cargo test -p contextlib-tests --test ui` accepts what it says now: read the diff as somebody who meets the message.
#![forbid(unsafe_code)]

#[rustversion::attr(not(stable(1.95)), ignore = "the messages are those of Rust 1.95")]
#[test]
fn mistakes() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*/*.rs");
}
