//! A body without a yield: what was probably meant, and where it isn't finished yet.

use proc_macro2::{Ident, TokenStream, TokenTree};

use crate::{
    block::ends_in_a_panic,
    error::{Errors, written},
    function::Function,
    known::{YIELD, is_transparent},
    spelling::did_you_mean,
    tokens::{Step, contains_word, find, find_outside_items, is_punct, is_word, macro_call},
    types::contains_impl,
};

pub(super) fn check_missing_yield(
    function: &Function,
    body: TokenStream,
    errors: &mut Errors,
) -> bool {
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
    if let Some(name) = begins_like_a_yield(body.clone()) {
        errors.at(name, "write `yield_resource!(resource)`");
        return false;
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
    let not_by = unknown_macro(body.clone()).map_or_else(String::new, |called| {
        format!("; it has to stand in the function itself and have this name, since the attribute can't look into `{called}!`")
    });
    errors.at(
        name,
        format!("`{name}` never yields: put `yield_resource!(resource)` between its setup and its teardown, or `yield_resource!()` if the caller gets nothing{not_by}"),
    );
    // What ends in a statement is `()`, as a context function's body is; without a `return` there is nothing else to go wrong.
    let ends_in_unit = tokens.last().is_none_or(|last| is_punct(last, ';'));
    ends_in_unit && !contains_word(body, "return")
}

/// `yield_resource!` without its parentheses, of which rustc complains by itself.
fn is_being_typed(tokens: TokenStream) -> bool {
    let typed = find(tokens, &|rest| match rest {
        [name, bang, after @ ..] if is_word(name, YIELD) && is_punct(bang, '!') => {
            (!matches!(after.first(), Some(TokenTree::Group(_)))).then_some(())
        }
        _ => None,
    });
    typed.is_some()
}

/// `yield_ressource!`: rustc says that there is none, and what it is called.
fn is_misspelt(tokens: TokenStream) -> bool {
    let misspelt = find(tokens, &|rest| match rest {
        [TokenTree::Ident(name), bang, ..] if is_punct(bang, '!') => {
            let name = name.to_string();
            let meant = did_you_mean(&name, &[YIELD]);
            meant.filter(|meant| name != *meant && name.starts_with('y'))
        }
        _ => None,
    });
    misspelt.is_some()
}

/// `yield_!(tx)`, of which rustc says only that there is none.
fn begins_like_a_yield(body: TokenStream) -> Option<Ident> {
    called(body, |name| name.to_string().starts_with("yield"))
}

/// The first macro that isn't known, and may have been meant to yield.
fn unknown_macro(body: TokenStream) -> Option<Ident> {
    called(body, |name| !is_transparent(name))
}

/// The first macro that is called and passes the test.
fn called(body: TokenStream, test: impl Fn(&Ident) -> bool) -> Option<Ident> {
    find_outside_items(body, &|_, rest| match macro_call(rest) {
        Some((name, _)) if test(name) => Step::Found(name.clone()),
        _ => Step::Into,
    })
}

/// A function that ends in `todo!()` or its like, before which nothing has been written yet or nothing can succeed.
fn is_sketch(function: &Function) -> bool {
    // What an `impl Trait` stands for only a yield can tell.
    function.body.as_ref().is_some_and(ends_in_a_panic) && !contains_impl(&function.sig.output)
}

/// `yield_resource(tx)` or `yield tx`.
fn almost_a_yield(tokens: TokenStream) -> Option<TokenTree> {
    find(tokens, &|rest| match rest {
        [word, ..] if is_word(word, "yield") => Some(word.clone()),
        [word, TokenTree::Group(_), ..] if is_word(word, YIELD) => Some(word.clone()),
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
