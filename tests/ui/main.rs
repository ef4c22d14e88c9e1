//! What the compiler says to mistakes that people make, one folder per kind of mistake.
//!
//! The wording of rustc changes from version to version, so these run on the one that they were written with.
//! `TRYBUILD=overwrite cargo test -p contextlib-tests --test ui` accepts what it says now: read the diff as somebody who meets the message.
//!
//! Where a label would be longer than 140 characters with the types it names, rustc writes a shorter one, and the type of a block or a closure is its
//! file's whole path: a case that has such a label has a long name, so that it doesn't depend on where the project is.
#![forbid(unsafe_code)]

#[rustversion::attr(not(stable(1.95)), ignore = "the messages are those of Rust 1.95")]
#[test]
fn mistakes() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*/*.rs");
}

/// How many functions in contexts may await one another before rustc's `recursion_limit`, which is 128 if nobody sets it, ends it: "queries overflow the
/// depth limit". It counts each future in a future, and each type around one, several times. That these compile is what is tested: one more wouldn't.
///
/// Each is a crate of its own, since in one the compiler would know already what is innermost.
#[rustversion::attr(not(stable(1.95)), ignore = "what is counted is that of Rust 1.95")]
#[test]
fn nested() {
    let cases = trybuild::TestCases::new();
    cases.pass("depth/*.rs");
}
