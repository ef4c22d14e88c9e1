//! What is asked of tokens, and what is made of them, without parsing them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// The keywords behind which an expression begins.
const BEFORE_AN_EXPRESSION: [&str; 9] = [
    "move", "async", "return", "in", "else", "break", "match", "if", "while",
];

/// Whether one of the tokens passes the test, however deep it is. Groups are looked into, and not tested.
pub(crate) fn contains(tokens: TokenStream, test: &impl Fn(&TokenTree) -> bool) -> bool {
    tokens.into_iter().any(|token| match &token {
        TokenTree::Group(group) => contains(group.stream(), test),
        token => test(token),
    })
}

/// Whether `word` is among the tokens, however deep.
pub(crate) fn contains_word(tokens: impl ToTokens, word: &str) -> bool {
    contains_any(tokens, &[word])
}

/// Whether one of `words` is.
pub(crate) fn contains_any(tokens: impl ToTokens, words: &[&str]) -> bool {
    contains(tokens.into_token_stream(), &|token| {
        is_any_word(token, words)
    })
}

/// Whether there is a `#[cfg(…)]` somewhere, or a `#[cfg_attr(…)]`.
pub(crate) fn is_configured(code: TokenStream) -> bool {
    let attribute = find(code, &|rest| match rest {
        [hash, TokenTree::Group(attribute), ..]
            if is_punct(hash, '#') && attribute.delimiter() == Delimiter::Bracket =>
        {
            let name = first_token(&attribute.stream());
            let is_cfg = name.is_some_and(|name| is_any_word(&name, &["cfg", "cfg_attr"]));
            is_cfg.then_some(())
        }
        _ => None,
    });
    attribute.is_some()
}

/// What a search does at a place.
pub(crate) enum Step<T> {
    /// Ends.
    Found(T),
    /// Skips so many tokens.
    Over(usize),
    /// Goes on with the next token: with what is in it, if that is a group, and then behind it.
    Into,
}

/// The first thing that `at` finds, however deep. It is given the tokens that begin at a place.
pub(crate) fn find<T>(tokens: TokenStream, at: &impl Fn(&[TokenTree]) -> Option<T>) -> Option<T> {
    search(tokens, &|_, rest| at(rest).map_or(Step::Into, Step::Found))
}

/// The same in a body, except in its items. `at` is given the tokens before a place, in the same group, and those that begin there.
pub(crate) fn find_outside_items<T>(
    body: TokenStream,
    at: &impl Fn(&[TokenTree], &[TokenTree]) -> Step<T>,
) -> Option<T> {
    search(body, &|before, rest| match nested_item(rest) {
        Some(length) => Step::Over(length),
        None => at(before, rest),
    })
}

fn search<T>(
    tokens: TokenStream,
    at: &impl Fn(&[TokenTree], &[TokenTree]) -> Step<T>,
) -> Option<T> {
    let tokens = Vec::from_iter(tokens);
    let mut i = 0;
    while i < tokens.len() {
        let (before, rest) = tokens.split_at(i);
        i += match (at(before, rest), &tokens[i]) {
            (Step::Found(found), _) => return Some(found),
            (Step::Over(length), _) => length,
            (Step::Into, TokenTree::Group(group)) => match search(group.stream(), at) {
                Some(found) => return Some(found),
                None => 1,
            },
            (Step::Into, _) => 1,
        };
    }
    None
}

pub(crate) fn is_one_of(name: &Ident, known: &[&str]) -> bool {
    known.iter().any(|known| name == known)
}

pub(crate) fn is_word(token: &TokenTree, expected: &str) -> bool {
    is_any_word(token, &[expected])
}

pub(crate) fn is_any_word(token: &TokenTree, expected: &[&str]) -> bool {
    matches!(token, TokenTree::Ident(word) if is_one_of(word, expected))
}

pub(crate) fn is_punct(token: &TokenTree, expected: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == expected)
}

pub(crate) fn first_token(tokens: &impl ToTokens) -> Option<TokenTree> {
    tokens.to_token_stream().into_iter().next()
}

/// Where tokens begin.
pub(crate) fn start(tokens: &impl ToTokens) -> Span {
    first_token(tokens).map_or_else(Span::mixed_site, |token| token.span())
}

/// Hygiene of our own, shown at a place of the user's.
pub(crate) fn site_at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// The same tokens, as if they stood elsewhere.
pub(crate) fn shown_at(tokens: TokenStream, place: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            token.set_span(token.span().located_at(place));
            token
        })
        .collect()
}

/// A group like this one, around other tokens.
pub(crate) fn regroup(group: &Group, tokens: TokenStream) -> Group {
    let mut regrouped = Group::new(group.delimiter(), tokens);
    regrouped.set_span(group.span());
    regrouped
}

/// Takes what comes last out of the group that a macro has put it into: `$body:expr`, `async $block`.
pub(crate) fn unwrap_fragment(tokens: &mut Vec<TokenTree>) {
    while let Some(inside) = tokens.last().and_then(inside_of_fragment) {
        tokens.pop();
        tokens.extend(inside);
    }
}

fn inside_of_fragment(token: &TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => Some(group.stream()),
        _ => None,
    }
}

/// All tokens on one level: groups are replaced by a delimiter before and after what is in them.
pub(crate) fn flatten(tokens: TokenStream) -> Vec<TokenTree> {
    fn add(tokens: TokenStream, flat: &mut Vec<TokenTree>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let delimiter = Group::new(Delimiter::Parenthesis, TokenStream::new());
                    flat.push(delimiter.clone().into());
                    add(group.stream(), flat);
                    flat.push(delimiter.into());
                }
                other => flat.push(other),
            }
        }
    }
    let mut flat = Vec::new();
    add(tokens, &mut flat);
    flat
}

/// Whether the text of a literal is a string that captures `name`, as `"{name:?}"` does.
pub(crate) fn is_formatted(name: &Ident, literal: &str) -> bool {
    let name = name.to_string();
    literal
        .match_indices(&format!("{{{name}"))
        .any(|(at, found)| {
            let escaped = literal[..at].ends_with('{');
            !escaped && matches!(literal[at + found.len()..].chars().next(), Some('}' | ':'))
        })
}

/// The length of an `fn name … { … }` at the start of `tokens`: its yields, if it is a context function too, are its own.
pub(crate) fn nested_item(tokens: &[TokenTree]) -> Option<usize> {
    match tokens {
        [TokenTree::Ident(keyword), TokenTree::Ident(_), rest @ ..] if keyword == "fn" => {
            let end = rest.iter().enumerate().position(|(i, token)| match token {
                TokenTree::Group(group) => {
                    group.delimiter() == Delimiter::Brace && !is_constant_argument(rest, i)
                }
                token => is_punct(token, ';'),
            });
            end.map(|end| end + 3)
        }
        _ => None,
    }
}

/// Whether the braces at `tokens[i]`, in a function's signature or behind it, are the `{ N }` of a `T<{ N }>`.
fn is_constant_argument(tokens: &[TokenTree], i: usize) -> bool {
    let begins = |before: &TokenTree| {
        ['<', ',', '=']
            .iter()
            .any(|begins| is_punct(before, *begins))
    };
    match (tokens[..i].last(), tokens.get(i + 1)) {
        (_, Some(next)) if is_punct(next, '>') => true,
        // Not if nothing like that follows: a comma may also end a `where` clause.
        (Some(before), Some(next)) => begins(before) && is_punct(next, ','),
        _ => false,
    }
}

/// The name and the arguments of a macro's call at the start of `tokens`.
pub(crate) fn macro_call(tokens: &[TokenTree]) -> Option<(&Ident, &Group)> {
    match tokens {
        [TokenTree::Ident(name), bang, TokenTree::Group(group), ..] if is_punct(bang, '!') => {
            Some((name, group))
        }
        _ => None,
    }
}

/// The tokens before a macro's name, without the path that leads to it.
pub(crate) fn without_path(mut before: &[TokenTree]) -> &[TokenTree] {
    while let [rest @ .., TokenTree::Punct(a), TokenTree::Punct(b)] = before {
        if a.as_char() != ':' || b.as_char() != ':' {
            break;
        }
        before = match rest {
            [rest @ .., TokenTree::Ident(_)] => rest,
            _ => rest,
        };
    }
    before
}

/// Whether braces behind these tokens are those of an `async` block.
pub(crate) fn begins_async_block(before: &[TokenTree]) -> bool {
    let without_move = match before {
        [before @ .., last] if is_word(last, "move") => before,
        _ => before,
    };
    ends_in_word(without_move, &["async"])
}

/// Whether the last token is one of these words.
pub(crate) fn ends_in_word(tokens: &[TokenTree], expected: &[&str]) -> bool {
    tokens
        .last()
        .is_some_and(|last| is_any_word(last, expected))
}

/// Whether a word behind these tokens is that of a field, a path or a lifetime, and no variable.
pub(crate) fn behind_a_path(before: &[TokenTree]) -> bool {
    matches!(before.last(), Some(TokenTree::Punct(punct)) if matches!(punct.as_char(), '.' | ':' | '\''))
}

/// Whether a statement begins behind these tokens.
pub(crate) fn begins_statement(before: &[TokenTree]) -> bool {
    match before.last() {
        None => true,
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        Some(token) => is_punct(token, ';'),
    }
}

/// The length of `|a, b|` or `||` at `tokens[i]`, and of a return type behind it, where an expression begins there: behind an operand, a `|` is "or".
pub(crate) fn closure_head(tokens: &[TokenTree], i: usize) -> Option<usize> {
    let head = &tokens[i..];
    if !head.first().is_some_and(|token| is_punct(token, '|')) {
        return None;
    }
    let expression_begins = match tokens[..i].last() {
        None => true,
        Some(TokenTree::Punct(punct)) => {
            arrow_before(tokens, i) || !matches!(punct.as_char(), '?' | '>' | '\'' | '|')
        }
        Some(TokenTree::Ident(word)) => is_one_of(word, &BEFORE_AN_EXPRESSION),
        Some(TokenTree::Group(_) | TokenTree::Literal(_)) => false,
    };
    if !expression_begins {
        return None;
    }
    let arguments = head[1..].iter().position(|token| is_punct(token, '|'))? + 2;
    Some(arguments + return_type(&head[arguments..]))
}

/// The length of a `-> T` at the start of `tokens`, whose commas end no argument: up to the braces that a closure with a return type has for its body.
fn return_type(tokens: &[TokenTree]) -> usize {
    match tokens {
        [minus, arrow, ..] if is_punct(minus, '-') && is_punct(arrow, '>') => {}
        _ => return 0,
    }
    let body = tokens
        .windows(2)
        .position(|pair| match (&pair[0], &pair[1]) {
            // Not those of a constant argument.
            (TokenTree::Punct(before), TokenTree::Group(group)) => {
                group.delimiter() == Delimiter::Brace
                    && !matches!(before.as_char(), '<' | ',' | '=')
            }
            (_, TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
            _ => false,
        });
    body.map_or(0, |before| before + 1)
}

/// Whether the token before `tokens[i]` ends a `=>`.
pub(crate) fn arrow_before(tokens: &[TokenTree], i: usize) -> bool {
    i >= 2 && is_punct(&tokens[i - 1], '>') && is_punct(&tokens[i - 2], '=')
}

/// The length of a `::<…>` at the start of `tokens`: its commas don't end an argument.
pub(crate) fn turbofish(tokens: &[TokenTree]) -> Option<usize> {
    match tokens {
        [a, b, open, ..] if is_punct(a, ':') && is_punct(b, ':') && is_punct(open, '<') => {}
        _ => return None,
    }
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(2) {
        if is_punct(token, '<') {
            depth += 1;
        } else if is_punct(token, '>') && !is_punct(&tokens[i - 1], '-') {
            depth -= 1;
            if depth == 0 {
                return Some(i + 1);
            }
        }
    }
    None
}
