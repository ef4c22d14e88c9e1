//! What can be said of a mistake before rustc sees the expansion.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, FnArg, Pat, PatType, Signature, Type};

use super::{args::Args, injected};
use crate::{
    attributes::{has_runtime, is_rewritten_by_async_trait},
    bindings::bound_names,
    error::{Errors, written},
    function::Function,
    known::{GIVES_ARGUMENTS, is_builtin},
    tokens::{contains, is_one_of, is_word},
    types::{name_of, ungroup},
    yields::{Fixed, Yields},
};

pub(super) fn not_a_function(item: &TokenStream, error: syn::Error) -> syn::Error {
    let is_function = item.clone().into_iter().any(|token| is_word(&token, "fn"));
    if is_function {
        error
    } else {
        syn::Error::new_spanned(
            item.clone().into_iter().next(),
            "`#[within]` goes on an `async fn`",
        )
    }
}

/// Notes what is wrong with the function. Returns its body, if it has one that can run inside a context.
pub(super) fn check<'f>(
    args: &Args,
    function: &'f Function,
    errors: &mut Errors,
) -> Option<&'f Group> {
    let name = &function.sig.ident;
    let Some(body) = &function.body else {
        errors.at(
            name,
            format!("`#[within]` needs a body to run: put it on each implementation of `{name}`"),
        );
        return None;
    };
    if is_rewritten_by_async_trait(&function.sig) {
        errors.at(
            name,
            format!("`#[async_trait]` has rewritten `{name}` before `#[within]` could see it: put `#[within(…)]` on an `async fn` outside of the trait and its `impl`s, and call that in `{name}`"),
        );
        return None;
    }
    check_async(&function.sig, body, errors);
    check_yields(body, errors);
    check_lifetimes(args, &function.sig, errors);
    Some(body)
}

fn check_async(sig: &Signature, body: &Group, errors: &mut Errors) {
    if sig.asyncness.is_some() {
        return;
    }
    let name = &sig.ident;
    let message = if has_runtime(body) {
        format!(
            "the attribute above has made `{name}` synchronous already: write `#[within(…)]` above it, so that it comes first"
        )
    } else {
        format!("`#[within]` goes on an `async fn`: write `async fn {name}`")
    };
    errors.at(sig.fn_token, message);
}

fn check_yields(body: &Group, errors: &mut Errors) {
    let points = Yields::find(body.stream(), Fixed::default()).points;
    // Another macro may have a yield of its own.
    let own = points.iter().find(|point| !point.inside.foreign_macro);
    if let Some(point) = own {
        errors.at(
            point,
            "`#[within]` runs this function inside a context and doesn't make it one: what yields is an `#[async_context] async fn` of its own",
        );
    }
}

/// A resource's lifetime can't be named.
fn check_lifetimes(args: &Args, sig: &Signature, errors: &mut Errors) {
    let injected = sig
        .inputs
        .iter()
        .filter_map(|input| injected(input, &args.contexts));
    for (argument, _) in injected {
        let Type::Reference(reference) = &*argument.ty else {
            continue;
        };
        if let Some(lifetime) = reference
            .lifetime
            .as_ref()
            .filter(|lifetime| lifetime.ident != "_")
        {
            errors.at(
                lifetime,
                "the resource is there only while the function runs: leave this lifetime out",
            );
        }
    }
}

/// Notes the arguments of a test that no context stands for, and says where they are.
pub(super) fn forgotten(args: &Args, function: &Function, errors: &mut Errors) -> Vec<usize> {
    let mut forgotten = Vec::new();
    // Other attributes, such as sqlx's, have arguments of their own for a test.
    let takes_none =
        |attr: &Attribute| written(attr.path()) == "test" || written(attr.path()) == "tokio::test";
    let mut attrs = function.attrs.iter();
    // If there is no context at all, that is the mistake.
    if args.contexts.is_empty() || !attrs.clone().any(takes_none) || attrs.any(gives_arguments) {
        return forgotten;
    }
    for (position, input) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(argument) = input else {
            continue;
        };
        if injected(input, &args.contexts).is_some() || has_attribute_of_its_own(argument) {
            continue;
        }
        forgotten.push(position);
        match &*argument.pat {
            Pat::Ident(pat) => {
                let name = &pat.ident;
                errors.at(
                    name,
                    format!("no context of this test is called `{name}`: write `{name} = context` in `#[within(…)]`"),
                );
            }
            pat => errors.at(
                pat,
                "a context stands for an argument by its name, and a pattern has none: write one here, and take the resource apart in the body",
            ),
        }
    }
    forgotten
}

/// Whether the attribute passes arguments to a test.
fn gives_arguments(attr: &Attribute) -> bool {
    name_of(attr.path()).is_some_and(|last| is_one_of(last, &GIVES_ARGUMENTS))
}

/// Whether another attribute of the test knows what to pass for this argument, as rstest does for a `#[case]`.
fn has_attribute_of_its_own(argument: &PatType) -> bool {
    let says_nothing = |attr: &Attribute| attr.path().get_ident().is_some_and(is_builtin);
    !argument.attrs.iter().all(says_nothing)
}

/// Notes a name that nothing uses, where an argument was probably meant to be the resource; says where that is.
pub(super) fn misnamed(args: &Args, function: &Function, errors: &mut Errors) -> Vec<usize> {
    let mut unused = (0..args.contexts.len()).filter_map(|i| unused_name(i, args, function));
    let mut inputs = function.sig.inputs.iter().enumerate();
    let meant = inputs.find_map(|(i, input)| Some((i, without_context(input, args)?)));
    let (Some(name), Some((position, argument))) = (unused.next(), meant) else {
        return Vec::new();
    };
    let instead = match &*argument.pat {
        Pat::Ident(pat) => format!("rename its `{}` to `{name}`", pat.ident),
        _ => "write it in place of the pattern, and take the resource apart in the body".to_owned(),
    };
    errors.at(
        name,
        format!(
            "no argument of `{}` is called `{name}`: {instead}, or write `_ = context` if the function has no use for the resource",
            function.sig.ident
        ),
    );
    vec![position]
}

/// The name of a context that neither an argument nor a later context nor the body mentions.
fn unused_name<'a>(i: usize, args: &'a Args, function: &Function) -> Option<&'a Ident> {
    let name = args.contexts[i].name.as_ref()?;
    let word = name.to_string();
    let mut used = function.sig.inputs.to_token_stream();
    used.extend(function.body.as_ref().map(Group::stream));
    let later = args.contexts[i + 1..].iter();
    used.extend(later.flat_map(|later| [later.name.to_token_stream(), later.expression.clone()]));
    (!word.starts_with('_') && !mentions(used, &word)).then_some(name)
}

/// Whether the name is among the tokens, be it in the text of a literal.
fn mentions(tokens: TokenStream, name: &str) -> bool {
    contains(tokens, &|token| match token {
        TokenTree::Literal(text) => text.to_string().contains(name),
        token => token.to_string() == name,
    })
}

/// The argument, if it is a `&mut` that no context has any part in.
fn without_context<'i>(input: &'i FnArg, args: &Args) -> Option<&'i PatType> {
    let FnArg::Typed(argument) = input else {
        return None;
    };
    let exclusive = matches!(ungroup(&argument.ty), Type::Reference(reference) if reference.mutability.is_some());
    let used = bound_names(&argument.pat).into_iter().any(|name| {
        let mut contexts = args.contexts.iter();
        contexts.any(|context| mentions(context.expression.clone(), &name.to_string()))
    });
    let open = injected(input, &args.contexts).is_none() && !has_attribute_of_its_own(argument);
    (exclusive && !used && open).then_some(argument)
}
