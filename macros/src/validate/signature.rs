//! What no context function's signature may have, and a return type that doesn't say enough.

use syn::{ReturnType, Safety};

use super::attributes::a_test_or_main;
use crate::{
    args::Args,
    attributes::has_runtime,
    error::Errors,
    function::Function,
    returns::Returns,
    types::{contains_impl, is_named_result, is_unit},
};

pub(super) fn check_signature(function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    let name = &sig.ident;
    if sig.asyncness.is_none() {
        errors.at(
            sig.fn_token,
            if function.body.as_ref().is_some_and(has_runtime) {
                a_test_or_main(name)
            } else {
                format!("a context function is async: write `async fn {name}`")
            },
        );
    }
    if let Some(constness) = &sig.constness {
        errors.at(constness, "a context function can't be `const`");
    }
    if let Safety::Unsafe(_) | Safety::Safe(_) = &sig.safety {
        errors.at(&sig.safety, "a context function can't be `unsafe`: use an `unsafe` block in it, and take proof of its conditions as an argument");
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            "a context function can't be `extern`: its manager has no foreign form",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a context function can't be variadic");
    }
}

/// False if the resource or the error isn't known.
pub(super) fn check_return_type(args: &Args, function: &Function, errors: &mut Errors) -> bool {
    let ty = match &function.sig.output {
        ReturnType::Type(_, ty) if !is_unit(ty) => ty,
        _ => {
            let Some(fallible) = &args.fallible else {
                return true;
            };
            errors.at(fallible, "`fallible` needs a return type that says what the error is, such as `Result<(), Error>`");
            return false;
        }
    };
    let alias = args.fallible.is_some() || is_named_result(ty);
    if alias
        && args.infallible.is_none()
        && contains_impl(ty)
        && !matches!(
            Returns::new(&function.sig.output, args),
            Returns::Result { .. }
        )
    {
        errors.at(
            ty,
            "`impl Trait` can't be seen through an alias: spell it out as `Result<impl …, Error>`",
        );
        return false;
    }
    true
}
