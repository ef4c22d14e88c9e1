//! What can be said of a mistake before rustc sees the expansion, in the user's words.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute, ReceiverKind, ReturnType, Safety, Type,
    parse::{ParseStream, Parser},
};

use crate::{
    args::{Args, Policy},
    borrows::{self, Borrow},
    error::{Errors, contains_word, did_you_mean, written},
    expand::Stub,
    flow,
    signature::{ContextFn, Returns, contains_impl, last_segment, ungroup},
    yields::{Argument, Yields, nested_item},
};

mod attributes;
mod exit;
mod owned;
mod resource;

pub(crate) use attributes::{CONTEXT_WITHIN, is_misplaced, is_named};
use attributes::{a_test_or_main, check_attributes};
use exit::{check_exit, is_yield, without_path};
use owned::{check_owned_arguments, check_owned_self, first_owned, used_self};
use resource::{check_resource, check_yielded};

/// Notes what is wrong with a context function, and says what of it a stub can keep.
pub(crate) fn check(
    args: &Args,
    function: &ContextFn,
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
    if let Some(lent) = lent_by_nobody(args, function) {
        errors.at(lent.token, "this resource borrows, but there is no argument that lends it: yield an owned resource, or write `'static` if it is one that lasts");
        (stub.body, stub.returns) = (false, false);
    } else {
        stub.policy &= check_borrows(args, function, errors);
    }
    // What was never a context function need not be told that it doesn't yield.
    if function.sig.asyncness.is_some() && alone {
        stub.body &= check_owned_self(args, function, errors)
            && check_owned_arguments(args, function, errors);
        stub.body &= check_body(function, returns, yields, errors);
    }
    stub
}

/// Whether the body is one of a context function but for an `async` that is missing.
fn is_for_rustc(function: &ContextFn, yields: &Yields) -> bool {
    function.sig.asyncness.is_some()
        || (!yields.points.is_empty() && !has_runtime(function.body.as_ref()))
}

/// Whether what is left of an async function's body is a call of `block_on`, as `#[tokio::test]`, `#[tokio::main]` and their like leave.
pub(crate) fn has_runtime(body: Option<&Group>) -> bool {
    fn calls_block_on(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(word) => word.to_string().contains("block_on"),
            TokenTree::Group(group) => calls_block_on(group.stream()),
            _ => false,
        })
    }
    body.is_some_and(|body| calls_block_on(body.stream()))
}

fn check_signature(function: &ContextFn, errors: &mut Errors) {
    let sig = &function.sig;
    let name = &sig.ident;
    if sig.asyncness.is_none() {
        errors.at(
            sig.fn_token,
            if has_runtime(function.body.as_ref()) {
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
fn check_return_type(args: &Args, function: &ContextFn, errors: &mut Errors) -> bool {
    let ReturnType::Type(_, ty) = &function.sig.output else {
        if let Some(fallible) = &args.fallible {
            errors.at(fallible, "`fallible` needs a return type that says what the error is, such as `Result<(), Error>`");
            return false;
        }
        return true;
    };
    let unit = matches!(ungroup(ty), Type::Tuple(tuple) if tuple.elems.is_empty());
    if let (Some(fallible), true) = (&args.fallible, unit) {
        errors.at(fallible, "`fallible` needs a return type that says what the error is, such as `Result<(), Error>`");
        return false;
    }
    let alias = args.fallible.is_some()
        || last_segment(ty).is_some_and(|segment| segment.ident.to_string().ends_with("Result"));
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

/// A borrow in the return type, with an elided lifetime, of nothing: rustc would say so too, of a lifetime that the policy forbids.
fn lent_by_nobody(args: &Args, function: &ContextFn) -> Option<Borrow> {
    let in_background = args.on_cancel.is_static() && function.body.is_some();
    let lent = borrows::of_output(&function.sig.output).filter(|_| in_background)?;
    let lends = !borrows::of_arguments(&function.sig).is_empty();
    (lent.lifetime.is_none() && !lends).then_some(lent)
}

/// False if what the function borrows doesn't go with its policy, or with its box.
fn check_borrows(args: &Args, function: &ContextFn, errors: &mut Errors) -> bool {
    // A trait may leave it to its implementers to own what they need.
    let in_background = args.on_cancel.is_static() && function.body.is_some();
    let borrows = borrows::of_arguments(&function.sig);
    let borrowed = borrows
        .first()
        .filter(|_| in_background && args.own.is_none());
    if let Some(borrow) = borrowed {
        let owned = first_owned(function);
        let task = if matches!(args.on_cancel, Policy::SpawnLocal) {
            "task of this thread"
        } else {
            "task"
        };
        errors.at(
            &borrow.token,
            format!(
                "this context borrows, but when it is cancelled its teardown becomes a background {task}, which outlives every borrow; either\n  \
                 - own what it needs: `#[async_context(own({owned}))]`\n  \
                 - block until the teardown is done: `#[async_context(on_cancel = block)]`\n  \
                 - do without it when cancelled, where `Drop` suffices: `#[async_context(on_cancel = drop)]`"
            ),
        );
        return false;
    }
    let lent = borrows::of_output(&function.sig.output).filter(|_| in_background);
    if let Some(borrow) = lent {
        errors.at(
            &borrow.token,
            "this resource borrows, but when the context is cancelled a background task holds it, which outlives every borrow; either\n  \
             - yield an owned resource\n  \
             - block until the teardown is done: `#[async_context(on_cancel = block)]`\n  \
             - do without it when cancelled, where `Drop` suffices: `#[async_context(on_cancel = drop)]`",
        );
        return false;
    }
    let lifetime = args
        .boxed
        .as_ref()
        .map(|_| borrows::of_box(args, &function.sig));
    if let Some(Err(error)) = lifetime {
        errors.add(error);
        return false;
    }
    true
}

/// False if the body must not be shown to rustc.
fn check_body(
    function: &ContextFn,
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
    right &= check_lent_self(function, returns, body, errors);
    right &= check_exit(body.stream(), errors);
    right && flow::check(body, returns, yields, errors)
}

/// False if a `self` that the caller has is used after the yield: it can't be `mut`, so that nothing puts it back.
fn check_lent_self(
    function: &ContextFn,
    returns: &Returns,
    body: &Group,
    errors: &mut Errors,
) -> bool {
    let receiver = function.sig.receiver().map(|receiver| &receiver.kind);
    let (Returns::Plain(resource) | Returns::Result { resource, .. }) = returns else {
        return true;
    };
    // Behind a `&` that was made of it, it may still be read.
    let exclusive = matches!(receiver, Some(ReceiverKind::Reference(_, _, Some(_))))
        && matches!(ungroup(resource), Type::Reference(resource) if resource.mutability.is_some());
    let after = behind_a_yield_of_self(body.stream()).filter(|_| exclusive);
    let Some((this, _)) = after.and_then(used_self) else {
        return true;
    };
    errors.at(this, "the caller had this `self`, and a `self` can't take it back: write `let mut this = self;` in the setup, yield `this`, and write `this` here");
    false
}

/// What comes after `yield_resource!(self)`, where no path leads around that.
fn behind_a_yield_of_self(tokens: TokenStream) -> Option<TokenStream> {
    let tokens = Vec::from_iter(tokens);
    (0..tokens.len()).find_map(|i| match &tokens[i..] {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(bang),
            TokenTree::Group(resource),
            rest @ ..,
        ] if is_yield(name, bang) && resource.stream().to_string() == "self" => {
            Some(rest.iter().cloned().collect())
        }
        [TokenTree::Group(group), rest @ ..] if group.delimiter() != Delimiter::Brace => {
            let inside = behind_a_yield_of_self(group.stream())?;
            Some(inside.into_iter().chain(rest.iter().cloned()).collect())
        }
        _ => None,
    })
}

fn check_missing_yield(function: &ContextFn, body: TokenStream, errors: &mut Errors) -> bool {
    let tokens = Vec::from_iter(body.clone());
    if let Some(token) = almost_a_yield(body.clone()) {
        errors.at(
            token,
            "write `yield_resource!(resource)`, a macro with an exclamation mark",
        );
        return false;
    }
    if is_being_typed(body.clone()) || is_misspelt(body.clone()) || is_sketch(function) {
        return true;
    }
    let returned = match tokens.as_slice() {
        [.., TokenTree::Ident(ok), TokenTree::Group(value)] if ok == "Ok" => Some(value.stream()),
        _ => None,
    };
    if let Some(value) = returned.filter(|value| !is_unit(value.clone())) {
        errors.at(
            &value,
            format!("a context function yields its resource instead of returning it: write `yield_resource!({value})`, and after it what is to be done when the caller is finished", value = written(&value)),
        );
        return false;
    }
    let name = &function.sig.ident;
    errors.at(
        name,
        format!("`{name}` never yields: put `yield_resource!(resource)` between its setup and its teardown, or `yield_resource!()` if the caller gets nothing"),
    );
    // What ends in a statement is `()`, as a context function's body is; without a `return` there is nothing else to go wrong.
    let ends_in_unit = match tokens.last() {
        None => true,
        Some(TokenTree::Punct(punct)) => punct.as_char() == ';',
        Some(_) => false,
    };
    ends_in_unit && !contains_word(body, "return")
}

/// `yield_resource!` without its parentheses, of which rustc complains by itself.
fn is_being_typed(tokens: TokenStream) -> bool {
    let tokens = Vec::from_iter(tokens);
    tokens.iter().enumerate().any(|(i, token)| match token {
        TokenTree::Ident(name) => {
            let bang =
                matches!(tokens.get(i + 1), Some(TokenTree::Punct(bang)) if is_yield(name, bang));
            bang && !matches!(tokens.get(i + 2), Some(TokenTree::Group(_)))
        }
        TokenTree::Group(group) => is_being_typed(group.stream()),
        _ => false,
    })
}

/// `yield_ressource!`: rustc says that there is none, and what it is called.
fn is_misspelt(tokens: TokenStream) -> bool {
    let tokens = Vec::from_iter(tokens);
    tokens.iter().enumerate().any(|(i, token)| match token {
        TokenTree::Ident(name) => {
            let bang =
                matches!(tokens.get(i + 1), Some(TokenTree::Punct(bang)) if bang.as_char() == '!');
            let name = name.to_string();
            bang && name != "yield_resource"
                && name.starts_with('y')
                && did_you_mean(&name, &["yield_resource"]).is_some()
        }
        TokenTree::Group(group) => is_misspelt(group.stream()),
        _ => false,
    })
}

/// A function that ends in `todo!()` or its like, before which nothing has been written yet or nothing can succeed.
fn is_sketch(function: &ContextFn) -> bool {
    // What an `impl Trait` stands for only a yield can tell.
    function.body.as_ref().is_some_and(ends_in_a_panic) && !contains_impl(&function.sig.output)
}

/// Whether the last statement is `todo!()` or its like.
pub(crate) fn ends_in_a_panic(body: &Group) -> bool {
    let tokens = Vec::from_iter(body.stream());
    let (before, name, bang) = match tokens.as_slice() {
        [
            before @ ..,
            TokenTree::Ident(name),
            TokenTree::Punct(bang),
            TokenTree::Group(_),
        ] => (before, name, bang),
        [
            before @ ..,
            TokenTree::Ident(name),
            TokenTree::Punct(bang),
            TokenTree::Group(_),
            TokenTree::Punct(_),
        ] => (before, name, bang),
        _ => return false,
    };
    let panics = ["todo", "unimplemented", "panic", "unreachable"]
        .iter()
        .any(|known| name == known);
    let is_statement = match without_path(before).last() {
        None => true,
        Some(TokenTree::Punct(punct)) => punct.as_char() == ';',
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        Some(_) => false,
    };
    panics && bang.as_char() == '!' && is_statement
}

/// `yield_resource(tx)` or `yield tx`.
fn almost_a_yield(tokens: TokenStream) -> Option<TokenTree> {
    let tokens = Vec::from_iter(tokens);
    tokens
        .iter()
        .enumerate()
        .find_map(|(i, token)| match token {
            TokenTree::Ident(word) if word == "yield" => Some(token.clone()),
            TokenTree::Ident(word)
                if word == "yield_resource"
                    && matches!(tokens.get(i + 1), Some(TokenTree::Group(_))) =>
            {
                Some(token.clone())
            }
            TokenTree::Group(group) => almost_a_yield(group.stream()),
            _ => None,
        })
}

/// Nothing, or `()`.
fn is_unit(tokens: TokenStream) -> bool {
    match Vec::from_iter(tokens).as_slice() {
        [] => true,
        [TokenTree::Group(group)] => group.stream().is_empty(),
        _ => false,
    }
}

/// Where `#[async_trait]` ran first, what it made of the method, without its body.
pub(crate) fn rewritten_by_async_trait(
    function: &ContextFn,
    errors: &mut Errors,
) -> Option<TokenStream> {
    let ContextFn {
        attrs,
        vis,
        sig,
        body,
    } = function;
    if sig.asyncness.is_some() || !contains_word(sig.to_token_stream(), "async_trait") {
        return None;
    }
    let name = &sig.ident;
    errors.at(
        name,
        format!(
            "`#[async_trait]` has rewritten `{name}` before `#[async_context]` could see it; a method that returns a context manager needs no `#[async_trait]`: \
             leave it out, or move `{name}` to a trait without it (`#[async_context(boxed)]` is for `dyn` traits)"
        ),
    );
    let body = match body {
        Some(_) => quote_spanned!(Span::mixed_site()=> { ::core::unreachable!() }),
        None => quote_spanned!(Span::mixed_site()=> ;),
    };
    Some(quote_spanned!(Span::mixed_site()=> #(#attrs)* #vis #sig #body))
}

/// For what isn't a function, or not one that can be parsed: the error, and the item as it is.
pub(crate) fn not_a_function(
    item: &TokenStream,
    error: syn::Error,
    mut errors: Errors,
) -> TokenStream {
    let after_attributes = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<syn::Visibility>()?;
        input.parse::<TokenStream>()
    };
    let rest = Vec::from_iter(after_attributes.parse2(item.clone()).unwrap_or_default());
    let head = rest
        .iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)));
    let is_function = head
        .clone()
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"));
    match rest.first() {
        Some(TokenTree::Ident(keyword)) if !is_function => {
            let message = match keyword.to_string().as_str() {
                block @ ("impl" | "trait" | "mod" | "extern") => {
                    format!(
                        "`#[async_context]` goes on an `async fn`: put it on those in this `{block}` that are contexts"
                    )
                }
                other @ ("struct" | "enum" | "union" | "const" | "static" | "type" | "use"
                | "let") => {
                    format!("`#[async_context]` goes on an `async fn`, not on a `{other}`")
                }
                _ => "`#[async_context]` goes on an `async fn`".to_owned(),
            };
            errors.at(keyword, message);
        }
        _ => errors.add(error),
    }
    let errors = errors.into_compile_errors();
    let item = without_yielding_bodies(item.clone());
    quote_spanned!(Span::mixed_site()=> #errors #item)
}

/// Functions that yield and aren't context functions, for want of the attribute or of a signature: their bodies would only bring follow-up errors.
fn without_yielding_bodies(item: TokenStream) -> TokenStream {
    let tokens = Vec::from_iter(item);
    let mut without = TokenStream::new();
    let mut i = 0;
    while i < tokens.len() {
        let length = nested_item(&tokens[i..]).unwrap_or(1);
        for token in &tokens[i..i + length] {
            match token {
                TokenTree::Group(body) if length > 1 && body.delimiter() == Delimiter::Brace => {
                    let yields = contains_word(body.stream(), "yield_resource");
                    let unreachable = quote_spanned!(body.span()=> { ::core::unreachable!() });
                    without.extend(if yields {
                        unreachable
                    } else {
                        token.to_token_stream()
                    });
                }
                TokenTree::Group(group) if length == 1 => {
                    let mut inner =
                        Group::new(group.delimiter(), without_yielding_bodies(group.stream()));
                    inner.set_span(group.span());
                    inner.to_tokens(&mut without);
                }
                token => token.to_tokens(&mut without),
            }
        }
        i += length;
    }
    without
}

#[cfg(test)]
mod tests;
