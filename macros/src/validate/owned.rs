//! The argument `own(…)`: what it could take, and what the body uses though nothing owns it.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::{FnArg, Pat, ReceiverKind, Type};

use crate::{
    args::Args,
    bindings::may_be_bound,
    borrows::{self, argument_by_reference},
    error::Errors,
    known::{FORMATTING, is_transparent},
    signature::{ContextFn, last_segment, ungroup},
    tokens::{
        Step, contains_word, find_outside_items, is_formatted, is_one_of, is_punct, macro_call,
    },
};

/// With `own(…)`, the body has what that made, and not what the function borrows: false if it uses that all the same.
pub(super) fn check_owned(args: &Args, function: &ContextFn, errors: &mut Errors) -> bool {
    check_owned_self(args, function, errors) && check_owned_arguments(args, function, errors)
}

/// False if the body uses a `self` that is borrowed.
fn check_owned_self(args: &Args, function: &ContextFn, errors: &mut Errors) -> bool {
    let borrowed = args.own.is_some()
        && function
            .sig
            .receiver()
            .is_some_and(|receiver| borrows::of_receiver(receiver).is_some());
    let body = function.body.as_ref().filter(|_| borrowed);
    let Some((this, member)) = body.and_then(|body| used_self(body.stream())) else {
        return true;
    };
    let (name, value) = match member {
        Some(member) => (member.to_string(), format!("self.{member}.clone()")),
        None => ("this".to_owned(), "self.clone()".to_owned()),
    };
    errors.at(
        this,
        format!("this context outlives the call, and with it the borrow of `self`: own what it needs, as in `own({name} = {value})`, and write `{name}` here"),
    );
    false
}

/// False if it uses an argument `&T` that nothing owns.
fn check_owned_arguments(args: &Args, function: &ContextFn, errors: &mut Errors) -> bool {
    let (Some(_), Some(body)) = (&args.own, &function.body) else {
        return true;
    };
    let body = body.stream();
    let mut borrowed = function.sig.inputs.iter().filter_map(argument_by_reference);
    let used = borrowed.find_map(|(pat, reference)| {
        let name = &pat.ident;
        let lifetime = reference.lifetime.as_ref();
        let is_elided = lifetime.is_none_or(|lifetime| lifetime.ident == "_");
        if !is_elided || args.owns(name) || may_be_bound(name, body.clone()) {
            return None;
        }
        Some((used_name(name, body.clone())?, name, reference))
    });
    // What is configured out uses nothing.
    let Some((token, name, reference)) = used.filter(|_| !contains_word(body.clone(), "cfg"))
    else {
        return true;
    };
    let value = match borrows::owning_reference(reference) {
        Some(owning) => format!("{name}{owning}"),
        None => "…".to_owned(),
    };
    errors.at(token, format!("this context outlives the call, and with it the borrow of `{name}`: own what it needs, as in `own({name} = {value})`"));
    false
}

/// What `own` could take instead of the first borrowing argument.
pub(super) fn first_owned(function: &ContextFn) -> Option<String> {
    let borrowing = function.sig.inputs.iter().find(|input| match input {
        FnArg::Receiver(receiver) => borrows::of_receiver(receiver).is_some(),
        FnArg::Typed(argument) => borrows::of_type(&argument.ty).is_some(),
    });
    Some(match borrowing {
        // What is lent to be changed isn't copied.
        Some(FnArg::Typed(argument)) if is_exclusive(&argument.ty) => return None,
        Some(FnArg::Typed(argument)) => match (&*argument.pat, borrows::owning(&argument.ty)) {
            (Pat::Ident(pat), Some(owned)) => format!("{name} = {name}{owned}", name = pat.ident),
            (Pat::Ident(pat), None) => format!("{} = …", pat.ident),
            _ => "name = …".to_owned(),
        },
        Some(FnArg::Receiver(receiver)) if is_shared_pointer(&receiver.kind) => {
            "this = self.clone()".to_owned()
        }
        _ => "pool = self.pool.clone()".to_owned(),
    })
}

/// `&mut T`.
fn is_exclusive(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Reference(reference) if reference.mutability.is_some())
}

/// `self: &Arc<Self>`.
fn is_shared_pointer(kind: &ReceiverKind) -> bool {
    let ReceiverKind::Typed(_, ty) = kind else {
        return false;
    };
    match ungroup(ty) {
        Type::Reference(reference) => last_segment(&reference.elem)
            .is_some_and(|segment| segment.ident == "Arc" || segment.ident == "Rc"),
        _ => false,
    }
}

/// The first certain use of a variable: `name.method()`, or `println!("{name}")`.
fn used_name(name: &Ident, tokens: TokenStream) -> Option<TokenTree> {
    let is_path = |before: &TokenTree| matches!(before, TokenTree::Punct(punct) if matches!(punct.as_char(), '.' | ':' | '\''));
    find_outside_items(tokens, &|before, rest| {
        if let Some((called, arguments)) = macro_call(rest) {
            return used_in_macro(name, called, arguments).map_or(Step::Over(3), Step::Found);
        }
        match rest {
            // An attribute.
            [hash, TokenTree::Group(_), ..] if is_punct(hash, '#') => Step::Over(2),
            [
                token @ TokenTree::Ident(used),
                dot,
                TokenTree::Ident(_),
                TokenTree::Group(call),
                ..,
            ] if used == name
                && is_punct(dot, '.')
                && call.delimiter() == Delimiter::Parenthesis
                && !before.last().is_some_and(is_path) =>
            {
                Step::Found(token.clone())
            }
            _ => Step::Into,
        }
    })
}

/// The same in a macro, which may drop its arguments unless it is known.
fn used_in_macro(name: &Ident, called: &Ident, arguments: &Group) -> Option<TokenTree> {
    let tokens = arguments.stream();
    if !is_transparent(called) && called != "yield_resource" {
        return None;
    }
    let text = tokens
        .clone()
        .into_iter()
        .find(|token| matches!(token, TokenTree::Literal(_)));
    let formatted = text.filter(|text| {
        is_one_of(called, &FORMATTING)
            && is_formatted(name, &text.to_string())
            && !contains_word(tokens.clone(), &name.to_string())
    });
    formatted.or_else(|| used_name(name, tokens))
}

/// The first `self` that is certainly the method's, and the field of it that is used.
pub(super) fn used_self(tokens: TokenStream) -> Option<(TokenTree, Option<Ident>)> {
    find_outside_items(tokens, &|_, rest| match rest {
        [this @ TokenTree::Ident(word), dot, member, after @ ..]
            if word == "self" && is_punct(dot, '.') =>
        {
            let member = match (member, after.first()) {
                (_, Some(TokenTree::Group(_))) => None,
                (TokenTree::Ident(member), _) => Some(member.clone()),
                _ => None,
            };
            Step::Found((this.clone(), member))
        }
        _ => Step::Into,
    })
}
