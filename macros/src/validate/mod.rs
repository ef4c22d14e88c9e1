//! What can be said of a mistake before rustc sees the expansion, in the user's words.

use crate::{
    args::Args,
    attributes::has_runtime,
    error::Errors,
    expand::Stub,
    flow,
    function::Function,
    returns::Returns,
    types::contains_impl,
    yields::{Argument, Yields},
};

mod attributes;
mod borrows;
mod exit;
mod inner;
mod item;
mod missing_yield;
mod owned;
mod resource;
mod signature;

use attributes::check_attributes;
pub(crate) use attributes::{CONTEXT_WITHIN, is_misplaced, main, rewritten_by_async_trait};
use borrows::{check_borrows, check_lender, check_lent_self};
use exit::check_exit;
use inner::check_inner;
pub(crate) use item::not_a_function;
use missing_yield::check_missing_yield;
use owned::check_owned;
use resource::{check_resource, check_unit, check_yielded};
use signature::{check_return_type, check_signature};

/// Notes what is wrong with a context function, and says what of it a stub can keep.
pub(crate) fn check(
    args: &Args,
    function: &Function,
    returns: &Returns,
    yields: &Yields,
    errors: &mut Errors,
) -> Stub {
    // Wrong arguments: neither the policy nor the names that the body uses are certain.
    let mut stub = Stub {
        body: errors.is_empty(),
        policy: errors.is_empty(),
        returns: check_resource(args, function, returns, errors),
    };
    check_signature(function, errors);
    let alone = check_attributes(function, errors);
    stub.body &= alone;
    stub.returns &= function.sig.asyncness.is_some() || !contains_impl(&function.sig.output);
    stub.body &= is_for_rustc(function, yields);
    stub.body &= stub.returns && check_return_type(args, function, errors);
    if check_lender(args, function, errors) {
        stub.policy &= check_borrows(args, function, errors);
    } else {
        (stub.body, stub.returns) = (false, false);
    }
    // What was never a context function need not be told that it doesn't yield.
    if function.sig.asyncness.is_some() && alone {
        stub.body &= check_owned(args, function, errors);
        stub.body &= check_body(function, returns, yields, errors);
    }
    stub
}

/// Whether the body is that of a context function, though its `async` may be missing.
fn is_for_rustc(function: &Function, yields: &Yields) -> bool {
    function.sig.asyncness.is_some()
        || (!yields.points.is_empty() && !function.body.as_ref().is_some_and(has_runtime))
}

/// False if the body must not be shown to rustc.
fn check_body(
    function: &Function,
    returns: &Returns,
    yields: &Yields,
    errors: &mut Errors,
) -> bool {
    let Some(body) = &function.body else {
        return true;
    };
    if yields.points.is_empty() {
        return check_missing_yield(function, body.stream(), errors);
    }
    let mut right = true;
    for point in &yields.points {
        if let Argument::Mistake(error) = &point.argument {
            errors.add(error.clone());
            right = false;
        }
    }
    right &= check_yielded(returns, yields, errors);
    right &= check_unit(function, yields, errors);
    right &= check_lent_self(function, returns, body, errors);
    right &= check_exit(body.stream(), errors) && check_inner(body.stream(), errors);
    right && flow::check(body, returns, yields, errors)
}

#[cfg(test)]
mod tests;
