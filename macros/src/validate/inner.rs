//! A yield inside another context's body, whose exit nobody looks at: that context would be told that all went well.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::{
    error::Errors,
    known::INDIFFERENT,
    tokens::{
        Step, begins_statement, find_outside_items, is_one_of, is_punct, is_word, macro_call,
        without_path,
    },
    yields::yield_call,
};

/// What runs a body.
const STYLES: [&str; 5] = ["with", "with_local", "run", "run_local", "outcome"];

const TOLD_COMPLETED: &str = "the context around this yield would be told that its body has completed, whatever has happened; either\n  \
     - hold its guard, `let guard = inner().enter().await?;`, and tell it what you are told: `let exit = yield_resource!(…);`, `guard.exit_as(exit).await?;`\n  \
     - look at the exit, `let exit = yield_resource!(…);`, and return an `Err` from a `with` unless it is completed\n  \
     - bind it all the same, `let _exit = yield_resource!(…);`, if it makes no difference to that context";

/// False if there is one.
pub(super) fn check_inner(body: TokenStream, errors: &mut Errors) -> bool {
    let discarded = find_outside_items(body, &|before, rest| {
        let inside = match (macro_call(rest), rest) {
            (Some((name, arguments)), _) if name == "async_with" => block(arguments),
            (
                _,
                [
                    dot,
                    TokenTree::Ident(style),
                    TokenTree::Group(arguments),
                    ..,
                ],
            ) if is_punct(dot, '.') && is_one_of(style, &STYLES) && is_call(before) => {
                closure(arguments)
            }
            _ => None,
        };
        inside.and_then(discarded).map_or(Step::Into, Step::Found)
    });
    errors.check(discarded.map(|point| syn::Error::new_spanned(point, TOLD_COMPLETED)))
}

/// Whether the call of a context ends here, and not of one to which it makes no difference how its body ends.
fn is_call(before: &[TokenTree]) -> bool {
    called(before).is_some_and(|(name, receiver)| {
        let receiver_is_indifferent = called(receiver).is_some() && !is_call(receiver);
        !is_one_of(name, &INDIFFERENT) && !receiver_is_indifferent
    })
}

/// The name of the function or method whose call ends here, and what its receiver ends in.
fn called(before: &[TokenTree]) -> Option<(&Ident, &[TokenTree])> {
    match before {
        [
            before @ ..,
            TokenTree::Ident(name),
            TokenTree::Group(arguments),
        ] if arguments.delimiter() == Delimiter::Parenthesis => {
            let receiver = before.split_last().filter(|(dot, _)| is_punct(dot, '.'));
            Some((name, receiver.map_or(&[], |(_, receiver)| receiver)))
        }
        _ => None,
    }
}

/// What is in an `async |…| …`, if that is the argument. A body takes its resource: `async || …` is something else's.
fn closure(arguments: &Group) -> Option<TokenStream> {
    let tokens = arguments.stream();
    let mut words = tokens
        .clone()
        .into_iter()
        .filter(|token| !is_word(token, "move"));
    let is_async = is_word(&words.next()?, "async") && is_punct(&words.next()?, '|');
    let takes_any = !is_punct(&words.next()?, '|');
    (is_async && takes_any).then_some(tokens)
}

/// What is in the body of an `async_with!`, if one of its contexts is called here.
fn block(arguments: &Group) -> Option<TokenStream> {
    let tokens = Vec::from_iter(arguments.stream());
    let mut arguments = tokens.split(|token| is_punct(token, ','));
    let has_call = arguments.any(|argument| {
        let is_named = argument.get(1).is_some_and(|equals| is_punct(equals, '='));
        is_named && is_call(argument)
    });
    has_call.then(|| tokens.iter().cloned().collect())
}

/// The first `let _ = yield_resource!(…)`, or one that is a statement.
fn discarded(body: TokenStream) -> Option<Ident> {
    find_outside_items(body, &|before, rest| {
        let Some((name, _)) = yield_call(rest) else {
            return Step::Into;
        };
        let is_statement = rest.get(3).is_some_and(|after| is_punct(after, ';'));
        if is_statement && is_discarded(without_path(before)) {
            Step::Found(name.clone())
        } else {
            Step::Over(3)
        }
    })
}

fn is_discarded(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(word), TokenTree::Ident(wild), equals] => {
            word == "let" && wild == "_" && is_punct(equals, '=')
        }
        _ => begins_statement(before),
    }
}
