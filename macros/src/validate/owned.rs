//! The argument `own(…)`: what it could take, and what the body uses though nothing owns it.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::{Expr, FnArg, Generics, Pat, PatType, ReceiverKind, Signature, Type, TypeReference};

use crate::{
    args::{Args, Owned},
    bindings::may_be_bound,
    borrows::{self, argument_by_reference},
    error::Errors,
    function::Function,
    known::{FORMATTING, YIELD, is_transparent},
    tokens::{
        Step, behind_a_path, contains_word, find_outside_items, is_configured, is_formatted,
        is_one_of, is_punct, macro_call,
    },
    types::{bounds_of, is_path_to, last_segment, ungroup},
};

/// With `own(…)`, the body has what that made, and not what the function borrows: false if it uses that all the same.
pub(super) fn check_owned(args: &Args, function: &Function, errors: &mut Errors) -> bool {
    check_owned_self(args, function, errors)
        && check_owned_arguments(args, function, errors)
        && check_owned_references(args, function, errors)
}

/// False if the body uses a `self` that is borrowed.
fn check_owned_self(args: &Args, function: &Function, errors: &mut Errors) -> bool {
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
    errors.at(this, outlives_its_part("self", &name, &value));
    false
}

/// The message for a use of what is borrowed.
fn outlives(borrowed: &str, name: &str, value: &str) -> String {
    format!(
        "this context outlives the call and the borrow of `{borrowed}`: own what it needs, as in `own({name} = {value})`"
    )
}

/// The same where what is owned has another name, or is a part.
fn outlives_its_part(borrowed: &str, name: &str, value: &str) -> String {
    let own = outlives(borrowed, name, value);
    format!("{own}, and write `{name}` here")
}

/// False if it uses an argument `&T` that nothing owns.
fn check_owned_arguments(args: &Args, function: &Function, errors: &mut Errors) -> bool {
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
    let used = used.filter(|_| !is_configured(body.clone()));
    let Some(((token, field), name, reference)) = used else {
        return true;
    };
    let argument = name.to_string();
    let message = match (field, owning_reference(reference, &function.sig)) {
        (Some(field), _) => {
            let value = format!("{argument}.{field}.clone()");
            outlives_its_part(&argument, &field.to_string(), &value)
        }
        (None, Some(owning)) => outlives(&argument, &argument, &format!("{argument}{owning}")),
        (None, None) => outlives(&argument, &argument, "…"),
    };
    errors.at(token, message);
    false
}

/// False if `own(pool = pool)` takes an argument `&Pool` as it is, or `own(this = self)` a `&self`.
fn check_owned_references(args: &Args, function: &Function, errors: &mut Errors) -> bool {
    if !args.is_static() || function.body.is_none() {
        return true;
    }
    let mut owned = args.own.iter().flatten();
    let mistake = owned.find_map(|Owned { name, value, .. }| {
        let argument = match value {
            Expr::Path(path) => path.path.get_ident()?,
            _ => return None,
        };
        let owning = match argument == "self" {
            true => borrows::of_receiver(function.sig.receiver()?).map(|_| ".clone()"),
            false => owning_call(argument, &function.sig),
        };
        let own = format!("{argument}{}", owning?);
        Some(syn::Error::new_spanned(
            value,
            outlives(&argument.to_string(), &name.to_string(), &own),
        ))
    });
    errors.check(mistake)
}

/// What makes an owned value of the argument of that name, if it is a `&T`.
fn owning_call(name: &Ident, sig: &Signature) -> Option<&'static str> {
    let mut by_reference = sig.inputs.iter().filter_map(argument_by_reference);
    let (_, reference) = by_reference.find(|(pat, _)| pat.ident == *name)?;
    let is_static = reference
        .lifetime
        .as_ref()
        .is_some_and(|lifetime| lifetime.ident == "static");
    owning_reference(reference, sig).filter(|_| !is_static)
}

/// What `own` could take instead of all that is borrowed; `None` if something is lent to be changed, which a copy can't stand for.
pub(super) fn owned_instead(function: &Function) -> Option<String> {
    let mut pairs = Vec::new();
    for input in &function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) if borrows::of_receiver(receiver).is_some() => {
                if is_lent_to_be_changed(&receiver.kind) {
                    return None;
                }
                pairs.extend(parts_of_self(
                    &receiver.kind,
                    function.body.as_ref()?.stream(),
                ));
            }
            FnArg::Typed(argument) if borrows::of_type(&argument.ty).is_some() => {
                if is_exclusive(&argument.ty) {
                    return None;
                }
                pairs.push(owned_argument(argument, &function.sig));
            }
            _ => {}
        }
    }
    Some(pairs.join(", "))
}

fn owned_argument(argument: &PatType, sig: &Signature) -> String {
    let owning = match ungroup(&argument.ty) {
        Type::Reference(reference) => owning_reference(reference, sig),
        ty => borrows::owning(ty),
    };
    match (&*argument.pat, owning) {
        (Pat::Ident(pat), Some(owned)) => format!("{name} = {name}{owned}", name = pat.ident),
        (Pat::Ident(pat), None) => format!("{} = …", pat.ident),
        _ => "name = …".to_owned(),
    }
}

/// The method that makes an owned value from the one behind this reference, if that can be told.
fn owning_reference(reference: &TypeReference, sig: &Signature) -> Option<&'static str> {
    let owning = borrows::owning_reference(reference);
    owning.filter(|_| !is_a_parameter_without_clone(&reference.elem, &sig.generics))
}

/// If a `T` is one, the clone of a `&T` is another `&T`.
fn is_a_parameter_without_clone(ty: &Type, generics: &Generics) -> bool {
    let mut params = generics.type_params().map(|param| &param.ident);
    params
        .find(|name| is_path_to(ty, name))
        .is_some_and(|name| !bounds_of(name, generics).any(|bound| contains_word(bound, "Clone")))
}

/// The fields that the body uses; or the whole, if it calls methods or uses it in another way.
fn parts_of_self(kind: &ReceiverKind, body: TokenStream) -> Vec<String> {
    let mut parts = Vec::new();
    for field in uses_of_self(body) {
        let part = match field.filter(|_| !is_shared_pointer(kind)) {
            Some(field) => format!("{field} = self.{field}.clone()"),
            None => return vec!["this = self.clone()".to_owned()],
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// Of each `self`, the field that is used, if it is one.
fn uses_of_self(tokens: TokenStream) -> Vec<Option<Ident>> {
    let tokens = Vec::from_iter(tokens);
    let uses = tokens
        .iter()
        .enumerate()
        .flat_map(|(i, token)| match token {
            TokenTree::Group(group) => uses_of_self(group.stream()),
            // But for a module's path, `self::name`.
            TokenTree::Ident(word)
                if word == "self" && !tokens.get(i + 1).is_some_and(|next| is_punct(next, ':')) =>
            {
                vec![field(&tokens[i + 1..])]
            }
            _ => Vec::new(),
        });
    uses.collect()
}

/// The `name` of `.name`, where no method is called.
fn field(behind_self: &[TokenTree]) -> Option<Ident> {
    let [dot, TokenTree::Ident(name), after @ ..] = behind_self else {
        return None;
    };
    let is_called = after.first().is_some_and(|after| match after {
        TokenTree::Group(call) => call.delimiter() == Delimiter::Parenthesis,
        token => is_punct(token, ':'),
    });
    (is_punct(dot, '.') && !is_called && name != "await").then(|| name.clone())
}

/// `&mut T`.
fn is_exclusive(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Reference(reference) if reference.mutability.is_some())
}

/// `&mut self`, `self: &mut Self`, `self: Pin<&mut Self>`.
fn is_lent_to_be_changed(kind: &ReceiverKind) -> bool {
    match kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        ReceiverKind::Typed(_, ty) => contains_word(ty, "mut"),
        _ => false,
    }
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

/// The first certain use of a variable, and the field of it that is used: `name.field`, `name.method()`, or `println!("{name}")`.
fn used_name(name: &Ident, tokens: TokenStream) -> Option<(TokenTree, Option<Ident>)> {
    find_outside_items(tokens, &|before, rest| {
        if let Some((called, arguments)) = macro_call(rest) {
            return used_in_macro(name, called, arguments).map_or(Step::Over(3), Step::Found);
        }
        match rest {
            // An attribute.
            [hash, TokenTree::Group(_), ..] if is_punct(hash, '#') => Step::Over(2),
            [token @ TokenTree::Ident(used), behind @ ..]
                if used == name
                    && matches!(behind, [dot, TokenTree::Ident(_) | TokenTree::Literal(_), ..] if is_punct(dot, '.'))
                    && !behind_a_path(before) =>
            {
                Step::Found((token.clone(), field(behind)))
            }
            _ => Step::Into,
        }
    })
}

/// The same in a macro, which may drop its arguments if it isn't known.
fn used_in_macro(
    name: &Ident,
    called: &Ident,
    arguments: &Group,
) -> Option<(TokenTree, Option<Ident>)> {
    let tokens = arguments.stream();
    if !is_transparent(called) && called != YIELD {
        return None;
    }
    let text = tokens
        .clone()
        .into_iter()
        .find(|token| matches!(token, TokenTree::Literal(_)));
    let formatted = text.filter(|text| {
        is_one_of(called, &FORMATTING)
            && is_formatted(name, &text.to_string())
            && !contains_word(&tokens, &name.to_string())
    });
    match formatted {
        Some(text) => Some((text, None)),
        None => used_name(name, tokens),
    }
}

/// The first `self` that is certainly the method's, and the field of it that is used.
pub(super) fn used_self(tokens: TokenStream) -> Option<(TokenTree, Option<Ident>)> {
    find_outside_items(tokens, &|_, rest| match rest {
        [this @ TokenTree::Ident(word), behind @ ..]
            if word == "self" && behind.first().is_some_and(|dot| is_punct(dot, '.')) =>
        {
            Step::Found((this.clone(), field(behind)))
        }
        _ => Step::Into,
    })
}
