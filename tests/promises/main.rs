//! The promises of the core, one module for each. Promises 11 and 18 are in the binary `cancellation`; what is an error of the compiler's is in
//! `ui`.
#![forbid(unsafe_code)]
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_match,
    clippy::let_unit_value,
    clippy::match_like_matches_macro,
    clippy::needless_arbitrary_self_type,
    clippy::needless_lifetimes,
    clippy::needless_pass_by_ref_mut,
    clippy::needless_return,
    clippy::never_loop,
    clippy::question_mark,
    clippy::ptr_arg,
    clippy::redundant_async_block,
    clippy::redundant_closure_call,
    clippy::too_many_arguments,
    clippy::unused_unit,
    clippy::useless_vec,
    reason = "the functions have the shapes that are to be tried"
)]

mod promise_01_result_spellings;
mod promise_02_kept_as_written;
mod promise_02_names_cannot_clash;
mod promise_03_calling_runs_nothing;
mod promise_04_how_a_function_ends;
mod promise_05_yield_forms;
mod promise_06_success_without_a_yield;
mod promise_07_strict_lints_and_shadowed_names;
mod promise_08_own;
mod promise_09_exit;
mod promise_10_the_error_view;
mod promise_12_the_bodys_outcome_is_never_swallowed;
mod promise_13_errors_and_both_failures;
mod promise_14_panics;
mod promise_15_inside_the_yield_point;
mod promise_16_wrapping_contexts;
mod promise_17_with_is_send;
mod promise_19_what_a_lost_rollback_drops;
mod promise_30_boxed;
