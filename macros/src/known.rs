//! The macros, attributes and functions that are known by their names.

use proc_macro2::Ident;

use crate::tokens::is_one_of;

/// The macro that yields.
pub(crate) const YIELD: &str = "yield_resource";

/// The standard library's macros: they use their arguments where they stand, so that a yield in one is as good as one outside.
const TRANSPARENT: [&str; 25] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "matches",
    "panic",
    "pin",
    "print",
    "println",
    "ready",
    "todo",
    "try",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// The macros that end in a panic, whatever their arguments.
pub(crate) const PANICS: [&str; 4] = ["panic", "todo", "unimplemented", "unreachable"];

/// The macros that put variables into a string, which names them in braces.
pub(crate) const FORMATTING: [&str; 7] = [
    "print", "println", "eprint", "eprintln", "format", "write", "writeln",
];

/// What takes its argument to another task.
pub(crate) const SPAWNS: [&str; 3] = ["spawn", "spawn_local", "spawn_blocking"];

/// The macros that make all their futures before they poll one, as `tokio` and `futures` have them.
pub(crate) const JOINS: [&str; 4] = ["join", "try_join", "select", "select_biased"];

/// Those of them that have arms.
pub(crate) const SELECTS: [&str; 2] = ["select", "select_biased"];

/// The functions that take a future as their second argument, as `tokio` has them.
pub(crate) const TIMEOUTS: [&str; 2] = ["timeout", "timeout_at"];

/// The library's own contexts to which it makes no difference how their bodies end.
pub(crate) const INDIFFERENT: [&str; 5] = [
    "timeout",
    "timeout_at",
    "move_on_after",
    "move_on_at",
    "null_context",
];

/// The attributes that pass arguments to a test, as `rstest`, `rstest_reuse`, `test-case`, `parameterized`, `yare`, `test-casing` and their like have them.
pub(crate) const GIVES_ARGUMENTS: [&str; 12] = [
    "apply",
    "case",
    "files",
    "parameterized",
    "property_test",
    "proptest",
    "quickcheck",
    "rstest",
    "rstest_parametrize",
    "test_case",
    "test_casing",
    "test_matrix",
];

/// The attributes of the language that an argument may have.
const BUILTIN: [&str; 8] = [
    "allow", "cfg", "cfg_attr", "deny", "doc", "expect", "forbid", "warn",
];

/// Whether an attribute of an argument is one of the language's, which says nothing of its value.
pub(crate) fn is_builtin(name: &Ident) -> bool {
    is_one_of(name, &BUILTIN)
}

/// Whether a macro is one of the standard library's, which use their arguments where they stand.
pub(crate) fn is_transparent(name: &Ident) -> bool {
    is_one_of(name, &TRANSPARENT)
}
