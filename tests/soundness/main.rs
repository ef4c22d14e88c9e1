//! Attacks from safe code: each has to end in nothing worse than a panic. AddressSanitizer runs them too.
#![forbid(unsafe_code)]

mod attack_combinators_and_other_wakers;
mod attack_dropped_in_its_own_body;
mod attack_forgetting;
mod attack_hidden_functions;
mod attack_hostile_wakers;
mod attack_nesting_and_recursion;
mod attack_other_threads;
mod attack_panicking_destructors;
mod attack_panicking_frames;
mod attack_wrong_order;
mod hole_3_the_exit_owns_nothing_that_goes_away;
mod hole_4_the_error_view_crosses_threads;
mod rule_12_the_body_is_dropped_before_the_resource_moves;
mod rule_3_what_is_send;
