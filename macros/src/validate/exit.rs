//! What a yield evaluates to, taken for something other than the `Exit` that it is.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;

use crate::{
    error::{Errors, written},
    known::{YIELD, is_transparent},
    tokens::{
        Step, begins_statement, ends_in_word, find, find_outside_items, first_token, is_punct,
        is_word, macro_call, without_path,
    },
    yields::yield_call,
};

/// An `Exit` that is taken for a result: what rustc says of that doesn't tell what an `Exit` is.
pub(super) fn check_exit(body: TokenStream, errors: &mut Errors) -> bool {
    let mistake = yield_at_the_end(body.clone())
        .or_else(|| question_mark_on_a_yield(body.clone()))
        .or_else(|| misread(body));
    errors.check(mistake)
}

fn is_an_exit(at: impl ToTokens, advice: &str) -> syn::Error {
    let message = format!("a yield evaluates to an `Exit`, which says how the body ended{advice}");
    syn::Error::new_spanned(at, message)
}

fn yield_at_the_end(body: TokenStream) -> Option<syn::Error> {
    let tokens = Vec::from_iter(body);
    let (before, call) = tokens.split_last_chunk::<3>()?;
    let (name, _) = yield_call(call)?;
    let before = without_path(before).last();
    // An assignment is a `()`.
    let is_assigned = before.is_some_and(|token| is_punct(token, '='));
    let advice = ", and a context function ends in `()`: write `let _ = yield_resource!(…);` if its teardown doesn't care";
    (!is_assigned).then(|| is_an_exit(name, advice))
}

fn question_mark_on_a_yield(body: TokenStream) -> Option<syn::Error> {
    let mark = find(body, &|rest| {
        yield_call(rest)?;
        rest.get(3).filter(|mark| is_punct(mark, '?')).cloned()
    })?;
    let advice = "; the body's error reaches its caller by itself, without a `?` here";
    Some(is_an_exit(mark, advice))
}

/// The first yield that stands where only a `Result` or a `bool` can. What is in macros other than the standard library's may be anything.
fn misread(body: TokenStream) -> Option<syn::Error> {
    find_outside_items(body, &|before, rest| {
        let Some((name, argument)) = macro_call(rest) else {
            return Step::Into;
        };
        let found =
            yield_call(rest).and_then(|_| misread_yield(before, name, argument, &rest[3..]));
        match found {
            Some(found) => Step::Found(found),
            // To its arguments.
            None if name == YIELD || is_transparent(name) => Step::Over(2),
            None => Step::Over(3),
        }
    })
}

fn misread_yield(
    before: &[TokenTree],
    name: &Ident,
    argument: &Group,
    after: &[TokenTree],
) -> Option<syn::Error> {
    // That evaluates to a pair.
    if first_token(&argument.stream()).is_some_and(|first| is_word(&first, "move")) {
        return None;
    }
    let before = without_path(before);
    method_of_a_result(after)
        .or_else(|| condition(name, before, after))
        .or_else(|| compared(after))
        .or_else(|| pattern_before(before, after))
        .or_else(|| pattern_in_an_arm(before, after))
        .or_else(|| assigned_to_itself(before, argument, after))
}

/// `yield_resource!(tx).is_ok()`
fn method_of_a_result(after: &[TokenTree]) -> Option<syn::Error> {
    let [
        TokenTree::Punct(dot),
        TokenTree::Ident(method),
        TokenTree::Group(call),
        ..,
    ] = after
    else {
        return None;
    };
    if dot.as_char() != '.' || call.delimiter() != Delimiter::Parenthesis {
        return None;
    }
    let advice = match method.to_string().as_str() {
        "is_ok" => ": write `.is_completed()`".to_owned(),
        "is_err" => {
            ": write `.is_failed()`, or `!….is_completed()` for whatever else may end a body"
                .to_owned()
        }
        "unwrap" | "expect" => {
            format!(
                "; the body's error reaches its caller by itself, without `.{method}{}` here",
                if call.stream().is_empty() {
                    "()"
                } else {
                    "(…)"
                }
            )
        }
        _ => return None,
    };
    Some(is_an_exit(method, &advice))
}

/// `if yield_resource!(tx) { … }`
fn condition(name: &Ident, before: &[TokenTree], after: &[TokenTree]) -> Option<syn::Error> {
    let before = match before {
        [before @ .., TokenTree::Punct(not)] if not.as_char() == '!' => before,
        _ => before,
    };
    (ends_in_word(before, &["if", "while"]) && starts_with_braces(after))
        .then(|| is_an_exit(name, ": write `yield_resource!(…).is_completed()`"))
}

/// `yield_resource!(tx) == Exit::Completed`
fn compared(after: &[TokenTree]) -> Option<syn::Error> {
    let [TokenTree::Punct(not), TokenTree::Punct(equals), value @ ..] = after else {
        return None;
    };
    let negated = match (not.as_char(), equals.as_char()) {
        ('=', '=') => "",
        ('!', '=') => "!",
        _ => return None,
    };
    let variant = variant_of_exit(value)?;
    let is = match variant.to_string().as_str() {
        "Completed" => "is_completed",
        "Failed" => "is_failed",
        "Panicked" => "is_panicked",
        "Cancelled" => "is_cancelled",
        _ => return None,
    };
    let advice = format!(": write `{negated}yield_resource!(…).{is}()`");
    Some(is_an_exit(variant, &advice))
}

/// The `Completed` of `Exit::Completed`, or of a longer path to that.
fn variant_of_exit(tokens: &[TokenTree]) -> Option<&Ident> {
    let is_of_path =
        |token: &&TokenTree| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':');
    let length = tokens.iter().take_while(is_of_path).count();
    match &tokens[..length] {
        [.., TokenTree::Ident(exit), _, _, TokenTree::Ident(variant)] if exit == "Exit" => {
            Some(variant)
        }
        _ => None,
    }
}

/// `if let Err(error) = yield_resource!(tx) { … }`
fn pattern_before(before: &[TokenTree], after: &[TokenTree]) -> Option<syn::Error> {
    let [
        ..,
        TokenTree::Ident(keyword),
        TokenTree::Ident(variant),
        TokenTree::Group(_),
        TokenTree::Punct(equals),
    ] = before
    else {
        return None;
    };
    let otherwise = after.first().is_some_and(|after| is_word(after, "else"));
    if keyword != "let" || equals.as_char() != '=' || !(otherwise || starts_with_braces(after)) {
        return None;
    }
    let advice = match variant.to_string().as_str() {
        "Ok" => ": write `yield_resource!(…).is_completed()`",
        "Err" => ": write `let Some(error) = yield_resource!(…).error()`",
        _ => return None,
    };
    Some(is_an_exit(variant, advice))
}

/// `match yield_resource!(tx) { Ok(_) => … }`
fn pattern_in_an_arm(before: &[TokenTree], after: &[TokenTree]) -> Option<syn::Error> {
    let is_match = ends_in_word(before, &["match"]);
    let Some(TokenTree::Group(arms)) = after.first().filter(|_| is_match) else {
        return None;
    };
    let arms = Vec::from_iter(arms.stream());
    let variant = arms.windows(4).find_map(|tokens| match tokens {
        [
            TokenTree::Ident(variant),
            TokenTree::Group(_),
            TokenTree::Punct(equals),
            TokenTree::Punct(arrow),
        ] if (variant == "Ok" || variant == "Err")
            && equals.as_char() == '='
            && arrow.as_char() == '>' =>
        {
            Some(variant.clone())
        }
        _ => None,
    });
    variant.map(|variant| {
        is_an_exit(
            variant,
            ": write `match … { Exit::Completed => …, Exit::Failed(error) => …, _ => … }`",
        )
    })
}

/// `tx = yield_resource!(tx);`
fn assigned_to_itself(
    before: &[TokenTree],
    argument: &Group,
    after: &[TokenTree],
) -> Option<syn::Error> {
    let place = argument.stream();
    let [before @ .., TokenTree::Punct(equals)] = before else {
        return None;
    };
    let start = before
        .len()
        .checked_sub(place.clone().into_iter().count())?;
    let (before, assigned) = before.split_at(start);
    let assigned = assigned.iter().cloned().collect::<TokenStream>();
    let ends_statement = after.first().is_none_or(|token| is_punct(token, ';'));
    if place.is_empty()
        || equals.as_char() != '='
        || !begins_statement(before)
        || !ends_statement
        || assigned.to_string() != place.to_string()
    {
        return None;
    }
    let name = written(&place);
    let advice = format!(
        "; the resource comes back into `{name}` by itself: write `let exit = yield_resource!({name});`"
    );
    Some(is_an_exit(assigned, &advice))
}

fn starts_with_braces(tokens: &[TokenTree]) -> bool {
    matches!(tokens.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}
