//! Attributes beside `#[async_context]` that don't go with it, and what they leave where they come first.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Attribute;

use crate::{
    attributes::{has_runtime, is_named, is_rewritten_by_async_trait},
    error::Errors,
    function::Function,
    tokens::find,
    types::name_of,
};

const INSTRUMENT: &str = "`#[instrument]` can't see a context's body; put the span inside, `async { yield_resource!(…) }.instrument(span).await`, or use the `tracing` feature of `contextlib`";

pub(crate) const CONTEXT_WITHIN: &str =
    "a context function isn't run by `#[within]`: enter the other context in its setup";

/// False if there is one of them.
pub(super) fn check_attributes(function: &Function, errors: &mut Errors) -> bool {
    let name = &function.sig.ident;
    let wrong = function
        .attrs
        .iter()
        .find_map(|attr| Some((attr, mistake(attr, name)?)));
    if let Some((attr, message)) = &wrong {
        errors.at(attr.path(), message);
        return false;
    }
    let body = function.body.as_ref();
    if let Some(span) = body.and_then(|body| span_of_instrument(body.stream())) {
        errors.at(span, INSTRUMENT);
        return false;
    }
    true
}

/// What remains of a `main` that was meant to be a context too: a manager would be a second mistake there.
pub(crate) fn main(function: &Function, errors: &mut Errors) -> Option<TokenStream> {
    let above = function.attrs.iter().find(|attr| is_named(attr, "main"));
    let at = match above {
        Some(attr) => attr.path().to_token_stream(),
        None if function.body.as_ref().is_some_and(has_runtime) => {
            function.sig.fn_token.to_token_stream()
        }
        None => return None,
    };
    let name = &function.sig.ident;
    if name != "main" {
        return None;
    }
    errors.at(at, a_test_or_main(name));
    Some(function.without_body())
}

/// Whether this attribute isn't made for the function that ours writes.
pub(crate) fn is_misplaced(attr: &Attribute) -> bool {
    ["test", "main", "instrument", "within", "async_context"]
        .iter()
        .any(|name| is_named(attr, name))
}

fn mistake(attr: &Attribute, name: &Ident) -> Option<String> {
    if !is_misplaced(attr) {
        return None;
    }
    Some(match name_of(attr.path())?.to_string().as_str() {
        "instrument" => INSTRUMENT.to_owned(),
        "within" => CONTEXT_WITHIN.to_owned(),
        "async_context" => "`#[async_context]` is given twice".to_owned(),
        _ => a_test_or_main(name),
    })
}

pub(super) fn a_test_or_main(name: &Ident) -> String {
    if name == "main" {
        return "a context function can't be `main`: give it another name, and write `#[within(that_name(…))]` above a `main` that is to run inside it".to_owned();
    }
    format!(
        "a context function can't be a test or a `main`: write a separate function for that, with `#[within({name}(…))]` above it"
    )
}

/// What `#[instrument]` leaves in the body of a function that it has seen before us.
fn span_of_instrument(body: TokenStream) -> Option<Ident> {
    find(body, &|rest| match rest {
        [TokenTree::Ident(word), ..] if word == "__tracing_attr_span" => Some(word.clone()),
        _ => None,
    })
}

/// Where `#[async_trait]` ran first, what it made of the method, without its body.
pub(crate) fn rewritten_by_async_trait(
    function: &Function,
    errors: &mut Errors,
) -> Option<TokenStream> {
    if !is_rewritten_by_async_trait(&function.sig) {
        return None;
    }
    let name = &function.sig.ident;
    errors.at(
        name,
        format!(
            "`#[async_trait]` has rewritten `{name}` before `#[async_context]` could see it; a method that returns a context manager needs no `#[async_trait]`: \
             leave it out, or move `{name}` to a trait without it (`#[async_context(boxed)]` is for `dyn` traits)"
        ),
    );
    Some(function.without_body())
}
