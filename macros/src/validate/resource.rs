//! A return type that can't be that of a resource, and a resource that is yielded in an `Ok`.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Expr, GenericArgument, PathArguments, ReturnType, Type, TypeParamBound};

use crate::{
    args::{Args, Policy},
    error::{Errors, written},
    function::Function,
    returns::Returns,
    tokens::{contains_any, contains_word, is_one_of, is_punct, is_word},
    types::{is_std, last_segment, may_be_an_alias, name_of, ungroup},
    yields::{Argument, Yields},
};

const MANAGERS: [&str; 4] = [
    "ContextManager",
    "BoxContextManager",
    "InfallibleBoxContextManager",
    "BoxedManager",
];

/// False if the return type is none that a context function can have.
pub(super) fn check_resource(
    args: &Args,
    function: &Function,
    returns: &Returns,
    errors: &mut Errors,
) -> bool {
    let ReturnType::Type(_, ty) = &function.sig.output else {
        return true;
    };
    if let Some(infer) = inferred(ty.to_token_stream()) {
        errors.at(
            infer,
            "`_` isn't allowed in the return type of a context function: write the type",
        );
        return false;
    }
    if let Type::Never(never) = ungroup(ty) {
        errors.at(never, "a context function returns the type of what it yields: leave the return type out if that is `()`");
        return false;
    }
    if let Some(manager) = written_resource(returns).and_then(|ty| manager(ty, function)) {
        errors.at(manager, "write the type of the resource here, or `Result<Resource, Error>`: the attribute makes a `ContextManager` of it");
        return false;
    }
    let spelt = returns.spelt_resource();
    spelt.is_none_or(|ty| check_size(ty, args, errors))
}

/// The first `_` that isn't a lifetime's.
fn inferred(tokens: TokenStream) -> Option<TokenTree> {
    let mut quote = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "_" && !quote => return Some(ident.into()),
            TokenTree::Group(group) => {
                if let Some(found) = inferred(group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Punct(punct) => {
                quote = punct.as_char() == '\'';
                continue;
            }
            _ => {}
        }
        quote = false;
    }
    None
}

/// The resource's type, as far as it is written. Of the aliases, only one called `Result` is taken to have it first.
fn written_resource(returns: &Returns) -> Option<&Type> {
    match returns {
        Returns::Plain(ty) | Returns::Result { resource: ty, .. } => Some(ty),
        Returns::Alias(ty) => {
            let result = last_segment(ty).filter(|segment| segment.ident == "Result")?;
            let PathArguments::AngleBracketed(arguments) = &result.arguments else {
                return None;
            };
            match arguments.args.first() {
                Some(GenericArgument::Type(ty)) => Some(ty),
                _ => None,
            }
        }
    }
}

/// The name of a manager's type, as one would write it without the attribute.
fn manager(ty: &Type, function: &Function) -> Option<TokenStream> {
    if let Type::ImplTrait(ty) = ungroup(ty) {
        let is_context = ty.bounds.iter().any(is_context);
        return (is_context && !may_yield_a_manager(function)).then(|| ty.bounds.to_token_stream());
    }
    let name = &last_segment(ty)?.ident;
    let outermost = match &function.sig.output {
        ReturnType::Type(_, ty) => last_segment(ty).is_some_and(|segment| segment.ident == *name),
        ReturnType::Default => false,
    };
    let named_in_full = contains_any(ty, &["AsyncContext", "BoxContext"]);
    let is_manager = is_one_of(name, &MANAGERS);
    ((name == "ContextManager" && outermost)
        || (is_manager && !named_in_full && !may_yield_a_manager(function)))
    .then(|| name.to_token_stream())
}

fn is_context(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            name_of(&bound.path).is_some_and(|last| last == "AsyncContext")
        }
        _ => false,
    }
}

/// Whether the function makes a manager or is given one, which may then be its resource.
fn may_yield_a_manager(function: &Function) -> bool {
    let Function { sig, body, .. } = function;
    let generic = contains_word(&sig.generics, "AsyncContext")
        || contains_word(&sig.generics.where_clause, "AsyncContext");
    let given = contains_word(&sig.inputs, "AsyncContext") || contains_any(&sig.inputs, &MANAGERS);
    let made = |body: &Group| contains_word(body, "boxed") || contains_any(body, &MANAGERS);
    generic || given || body.as_ref().is_none_or(made)
}

/// False for a type whose size isn't known.
fn check_size(ty: &Type, args: &Args, errors: &mut Errors) -> bool {
    let sized = match ungroup(ty) {
        Type::TraitObject(object) => {
            let send = matches!(args.on_cancel, Policy::Spawn) && !contains_word(object, "Send");
            let send = if send { " + Send" } else { "" };
            format!("Box<{}{send}>", written(object))
        }
        Type::Slice(slice) => format!("Vec<{}>", written(&slice.elem)),
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        _ => return true,
    };
    errors.at(
        ty,
        format!("the size of a resource has to be known: yield a `{sized}`"),
    );
    false
}

/// False for a resource that is yielded by a function without a return type, as far as its tokens make that certain.
pub(super) fn check_unit(function: &Function, yields: &Yields, errors: &mut Errors) -> bool {
    let (ReturnType::Default, Some(body)) = (&function.sig.output, &function.body) else {
        return true;
    };
    let resource = yields.points.iter().find_map(|point| {
        let argument = argument(point.call.clone())?;
        let value = match &point.argument {
            Argument::Place(Expr::Path(variable)) => {
                initial_value(variable.path.get_ident()?, body.stream())?
            }
            Argument::Value => syn::parse2(argument.clone()).ok()?,
            _ => return None,
        };
        Some((argument, type_of(&value)?))
    });
    let Some((argument, ty)) = resource else {
        return true;
    };
    errors.at(
        argument,
        format!("this context has no return type, and so it yields nothing: write the type of what it yields, `-> {ty}`"),
    );
    false
}

/// What the only `let name = …;` among these statements gives to the variable.
fn initial_value(name: &Ident, statements: TokenStream) -> Option<Expr> {
    let tokens = Vec::from_iter(statements);
    let statements = tokens.split(|token| is_punct(token, ';'));
    let mut values = statements.filter_map(|statement| {
        let (bound, value) = match statement {
            [word, mutability, bound, equals, value @ ..]
                if is_word(word, "let") && is_word(mutability, "mut") && is_punct(equals, '=') =>
            {
                (bound, value)
            }
            [word, bound, equals, value @ ..] if is_word(word, "let") && is_punct(equals, '=') => {
                (bound, value)
            }
            _ => return None,
        };
        matches!(bound, TokenTree::Ident(bound) if bound == name).then_some(value)
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    syn::parse2(value.iter().cloned().collect()).ok()
}

/// The type of `Tx`, `Tx { … }` and `Tx::new(…)`, if it has no parameters.
fn type_of(value: &Expr) -> Option<String> {
    let (path, function) = match value {
        Expr::Struct(value) => (&value.path, None),
        Expr::Path(value) => (&value.path, None),
        Expr::Call(call) => match &*call.func {
            Expr::Path(function) => (&function.path, function.path.segments.last()),
            _ => return None,
        },
        _ => return None,
    };
    if function.is_some_and(|function| function.ident != "new") {
        return None;
    }
    let length = path.segments.len() - usize::from(function.is_some());
    let segments = Vec::from_iter(path.segments.iter().take(length));
    let (last, before) = segments.split_last()?;
    let name = last.ident.to_string();
    // A variant's type is that of its enum.
    let is_variant = before
        .iter()
        .any(|segment| is_camel_case(&segment.ident.to_string()));
    let has_parameters = segments.iter().any(|segment| !segment.arguments.is_none());
    let is_certain = is_camel_case(&name) && name != "None" && !is_variant;
    (is_certain && !has_parameters && !is_std(&name)).then(|| written(quote!(#(#segments)::*)))
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
}

/// `yield_resource!(Ok(tx))` where the resource isn't a `Result`.
pub(super) fn check_yielded(returns: &Returns, yields: &Yields, errors: &mut Errors) -> bool {
    let is_result = match returns {
        Returns::Plain(_) => true,
        Returns::Result { resource, .. } => may_be_a_result(resource),
        Returns::Alias(_) => written_resource(returns).is_none_or(may_be_a_result),
    };
    let wrapped = yields
        .points
        .iter()
        .filter(|_| !is_result)
        .find_map(|point| in_ok(point.call.clone()));
    if let Some((ok, value)) = &wrapped {
        errors.at(
            ok,
            format!(
                "a context yields the resource itself: write `yield_resource!({})`",
                written(value)
            ),
        );
    }
    wrapped.is_none()
}

/// The `Ok` and what is in it, where that is all that is yielded.
fn in_ok(call: TokenStream) -> Option<(TokenTree, TokenStream)> {
    match Vec::from_iter(argument(call)?).as_slice() {
        [ok @ TokenTree::Ident(name), TokenTree::Group(value)] if name == "Ok" => {
            Some((ok.clone(), value.stream()))
        }
        _ => None,
    }
}

/// What is yielded.
fn argument(call: TokenStream) -> Option<TokenStream> {
    match call.into_iter().last()? {
        TokenTree::Group(argument) => Some(argument.stream()),
        _ => None,
    }
}

/// Whether that can't be excluded: an alias and an associated type may be one by another name.
fn may_be_a_result(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Tuple(_) | Type::Array(_) | Type::Reference(_) => false,
        Type::Path(path) if path.qself.is_none() => {
            let segments = &path.path.segments;
            let mut names = segments.iter().map(|segment| segment.ident.to_string());
            let last = names.next_back().unwrap_or_default();
            let is_associated = names.any(|name| name.starts_with(char::is_uppercase));
            is_associated || last == "Self" || last.contains("Result") || may_be_an_alias(ty)
        }
        _ => true,
    }
}
