//! `#[within]`: an async function that runs inside contexts.
//!
//! ```text
//! // Input
//! #[within(db = database())]
//! #[tokio::test]
//! async fn inserts(db: &mut Database) { db.insert(1).await }
//!
//! // Output
//! #[tokio::test]
//! async fn inserts() {
//!     ::contextlib::__private::value({
//!         /* database, around: */
//!         let db: &mut Database = db;
//!         { /* returns a () */ db.insert(1).await }
//!     })
//! }
//! ```

use std::mem;

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, FnArg, GenericParam, Lifetime, Meta, Pat, PatType, ReturnType, Signature, Type,
    WherePredicate, parse_quote,
};

use crate::{
    attributes::{is_named, is_rewritten_by_async_trait},
    block::{allow_braces, ends_in_a_panic, never_returned},
    context::Context,
    error::Errors,
    function::Function,
    nest::{Around, AsyncBlock, nest},
    tokens::{contains_word, is_punct, regroup, shown_at, site_at, start},
    types::{contains_impl, is_named_result},
    validate::CONTEXT_WITHIN,
};

mod args;
mod mistakes;
#[cfg(test)]
mod tests;

use args::{Args, names};
use mistakes::{check, forgotten, misnamed, not_a_function};

/// The whole of `#[within]`.
///
/// Another one below is taken along, inside this one: expanded later, it would be around this one.
pub(crate) fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.add(not_a_function(&item, error));
            return errors.before(item);
        }
    };
    let context = function
        .attrs
        .iter()
        .find(|attr| is_named(attr, "async_context"));
    if let Some(attr) = context {
        errors.at(attr.path(), CONTEXT_WITHIN);
        return errors.before(item);
    }
    let args = with_those_below(args, &mut function.attrs);
    let names = names(args.clone());
    let args = Args::parse_all(args, &mut errors);
    let mut forgotten = forgotten(&args, &function, &mut errors);
    if forgotten.is_empty() {
        forgotten = misnamed(&args, &function, &mut errors);
    }
    if let Some(body) = check(&args, &function, &mut errors) {
        if errors.is_empty() {
            return expand(&args, &function, body);
        }
    }
    errors.before(stub(function, &names, &forgotten))
}

/// The arguments, and behind them those of every other `#[within(…)]`, which are taken out.
fn with_those_below(mut args: TokenStream, attrs: &mut Vec<Attribute>) -> TokenStream {
    for attr in mem::take(attrs) {
        match &attr.meta {
            Meta::List(below) if is_named(&attr, "within") && !below.tokens.is_empty() => {
                match args.clone().into_iter().last() {
                    Some(last) if !is_punct(&last, ',') => {
                        args.extend(quote_spanned!(last.span()=> ,))
                    }
                    _ => {}
                }
                args.extend(below.tokens.clone());
            }
            _ => attrs.push(attr),
        }
    }
    args
}

fn expand(args: &Args, function: &Function, body: &Group) -> TokenStream {
    let Function {
        attrs, vis, sig, ..
    } = function;
    let site = site_at(sig.ident.span());
    let krate = args.krate();
    let around = if returns_result(args, &sig.output) {
        Around::Fallible
    } else {
        Around::Infallible
    };
    let mut sig = sig.clone();
    let bindings = take_injected(&mut sig, &args.contexts);
    let content = returning(site, &sig.output, body);
    let body = AsyncBlock {
        word: None,
        content: quote_spanned!(site=> #bindings #content),
        made: match around {
            Around::Infallible => plain_value(args, &sig.output, body, site),
            Around::Fallible | Around::Block => quote_spanned!(site=> ::core::convert::identity),
        },
    };
    let nested = nest(&krate, &args.contexts, body, around, args.error);
    let nested = match around {
        Around::Infallible => quote_spanned!(site=> #krate::__private::value(#nested)),
        Around::Fallible | Around::Block => nested,
    };
    quote_spanned! {site=>
        #(#attrs)*
        #vis #sig {
            #nested
        }
    }
}

/// What is left of a function whose mistakes have been reported: its callers see it without the arguments that contexts stand for.
fn stub(mut function: Function, names: &[Ident], forgotten: &[usize]) -> TokenStream {
    let is_injected = |input: &FnArg| matches!(input, FnArg::Typed(argument) if matches!(&*argument.pat, Pat::Ident(pat) if names.contains(&pat.ident)));
    let inputs = mem::take(&mut function.sig.inputs);
    let kept = inputs
        .into_iter()
        .enumerate()
        .filter(|(i, input)| !forgotten.contains(i) && !is_injected(input));
    function.sig.inputs = kept.map(|(_, input)| input).collect();
    if is_rewritten_by_async_trait(&function.sig) {
        forget_lifetimes(&mut function.sig);
    }
    function
        .attrs
        .push(parse_quote!(#[allow(unused_variables)]));
    function.without_body()
}

/// Takes out the lifetimes that `#[async_trait]` has given to arguments that are gone: the trait's method doesn't have them.
fn forget_lifetimes(sig: &mut Signature) {
    let (inputs, output) = (&sig.inputs, &sig.output);
    let rest = quote!(#inputs #output);
    let is_used = |lifetime: &Lifetime| contains_word(&rest, &lifetime.ident.to_string());
    let params = mem::take(&mut sig.generics.params).into_iter();
    sig.generics.params = params
        .filter(
            |param| !matches!(param, GenericParam::Lifetime(param) if !is_used(&param.lifetime)),
        )
        .collect();
    if let Some(clause) = &mut sig.generics.where_clause {
        let predicates = mem::take(&mut clause.predicates).into_iter();
        clause.predicates = predicates
            .filter(|predicate| !matches!(predicate, WherePredicate::Lifetime(bound) if !is_used(&bound.lifetime)))
            .collect();
    }
}

/// Takes the arguments that contexts stand for out of the signature, and binds them to the resources, with their types as written.
fn take_injected(sig: &mut Signature, contexts: &[Context]) -> TokenStream {
    let mut bindings = TokenStream::new();
    let inputs = mem::take(&mut sig.inputs);
    for input in inputs {
        let Some((argument, name)) = injected(&input, contexts) else {
            sig.inputs.push(input);
            continue;
        };
        let PatType { attrs, pat, ty, .. } = argument;
        let at = name_span(pat);
        let site = site_at(at);
        // `impl Trait` has no name in a body.
        let ty = (!contains_impl(ty)).then(|| quote_spanned!(site=> : #ty));
        let name = Ident::new(&name.to_string(), at.resolved_at(name.span()));
        bindings.extend(quote_spanned!(site=> #(#attrs)* let #pat #ty = #name;));
    }
    bindings
}

/// The argument and the name, if a context stands for this argument.
fn injected<'i>(input: &'i FnArg, contexts: &'i [Context]) -> Option<(&'i PatType, &'i Ident)> {
    let FnArg::Typed(argument) = input else {
        return None;
    };
    let Pat::Ident(pat) = &*argument.pat else {
        return None;
    };
    let mut names = contexts.iter().filter_map(|context| context.name.as_ref());
    let name = names.find(|name| **name == pat.ident)?;
    Some((argument, name))
}

/// The body, in a block which `return` and `?` end, and not the contexts around it.
fn returning(site: Span, output: &ReturnType, body: &Group) -> TokenStream {
    let returning = match output {
        ReturnType::Default => Some(never_returned(site, &quote_spanned!(site=> ()))),
        // These have no name in a body.
        ReturnType::Type(_, ty) if contains_impl(ty) || matches!(**ty, Type::Never(_)) => None,
        ReturnType::Type(_, ty) => Some(never_returned(site, ty)),
    };
    match returning {
        // Within the braces: what is in front of them must not depend on what is typed there, see `editors`.
        Some(returning) => {
            let tokens = body.stream();
            let body = regroup(body, quote_spanned!(site=> #returning #tokens));
            // It begins with a statement, and may be nothing else.
            quote_spanned!(site=> #[allow(unused_braces, clippy::items_after_statements)] #body)
        }
        None => {
            let allow = allow_braces(body, site);
            quote_spanned!(site=> #allow #body)
        }
    }
}

/// Makes a `Result` of what the function returns, which by the name of its type is none: whether that is so is checked.
fn plain_value(args: &Args, output: &ReturnType, body: &Group, site: Span) -> TokenStream {
    // There is nothing to check where it never returns, nor in a sketch that ends in `todo!()` and returns nothing else.
    let never = |ty: &Type| match ty {
        Type::Never(_) => true,
        ty => contains_impl(ty) && ends_in_a_panic(body),
    };
    let ty = match output {
        ReturnType::Type(_, ty) if args.infallible.is_none() && !never(ty) => ty,
        _ => return quote_spanned!(site=> ::core::result::Result::Ok),
    };
    let at = site_at(start(ty));
    let krate = shown_at(args.krate(), at);
    quote_spanned! {at=>
        |value| {
            use #krate::__private::NoResult as _;
            #krate::__private::Returning(&value).no_result();
            ::core::result::Result::Ok(value)
        }
    }
}

/// Whether the function returns a `Result`, by the same guess as `#[async_context]`'s.
fn returns_result(args: &Args, output: &ReturnType) -> bool {
    let named_result = match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => is_named_result(ty),
    };
    args.infallible.is_none() && (args.fallible.is_some() || named_result)
}

/// Where the name of an argument stands.
fn name_span(pat: &Pat) -> Span {
    match pat {
        Pat::Ident(pat) => pat.ident.span(),
        _ => Span::mixed_site(),
    }
}
