//! A yield in a loop, which would reach it again.

use std::mem;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Block, Expr};

use super::{Paths, Walk, certain_points};
use crate::{
    known::{PANICS, SELECTS, YIELD},
    tokens::{
        begins_async_block, contains_any, flatten, is_any_word, is_punct, is_word, regroup,
        turbofish,
    },
};

impl Walk<'_> {
    /// A loop: its yields need a way out behind them.
    pub(super) fn repeated(&mut self, cond: Option<&Expr>, body: &Block, paths: Paths) -> Paths {
        let mut code = cond.map(ToTokens::to_token_stream).unwrap_or_default();
        body.to_tokens(&mut code);
        let labels = labels(code.clone());
        let code = staying(code, Leaving::of_the_loop(&labels));
        let points = certain_points(code.clone());
        let on_entry = cond.map_or(paths, |cond| self.expr(cond, paths));
        let outer = mem::take(&mut self.continued);
        let at_its_end = self.branch(body, on_entry).yielded;
        let continued = mem::replace(&mut self.continued, outer);
        let comes_round = (at_its_end || continued) && !paths.yielded;
        if let Some(last) = points
            .last()
            .filter(|_| comes_round || !has_way_out_after_yield(code.clone()))
        {
            let selected = last.inside.foreign_macro && last.inside.async_block;
            let way_out = if selected && contains_any(&code, &SELECTS) {
                "make the `async` block once, before the loop, as in `let mut body = std::pin::pin!(async { … })`, and `select!` on `&mut body`"
            } else {
                "leave the loop with `break` after it, however the body ended, or yield outside of the loop"
            };
            let message = format!(
                "a loop would reach this yield again, but a context yields once: {way_out}"
            );
            self.report(last, &message);
        }
        paths
    }
}

/// What leaves a loop, at some place in it.
#[derive(Clone, Copy)]
struct Leaving<'l> {
    /// `break`.
    by_break: bool,
    /// `return`, and a `break` with a label.
    by_others: bool,
    /// The labels inside the loop.
    labels: &'l [Ident],
}

impl<'l> Leaving<'l> {
    fn of_the_loop(labels: &'l [Ident]) -> Leaving<'l> {
        Leaving {
            by_break: true,
            by_others: true,
            labels,
        }
    }

    /// Whether the loop is left where `tokens` begin.
    fn starts(self, tokens: &[TokenTree]) -> bool {
        match tokens {
            [
                TokenTree::Ident(word),
                TokenTree::Punct(quote),
                TokenTree::Ident(label),
                ..,
            ] if word == "break" && quote.as_char() == '\'' => {
                self.by_others && !self.labels.contains(label)
            }
            [TokenTree::Ident(word), ..] => {
                (self.by_break && word == "break") || (self.by_others && word == "return")
            }
            _ => false,
        }
    }

    /// Inside of a group with `before` in front of it.
    fn inside(self, before: &[TokenTree], in_loop: bool) -> Leaving<'l> {
        let is_closure = before.last().is_some_and(|token| is_punct(token, '|'));
        let own_return = is_closure || begins_async_block(before);
        Leaving {
            by_break: self.by_break && !in_loop && !own_return,
            by_others: self.by_others && !own_return,
            labels: self.labels,
        }
    }
}

/// A loop's code without the operands of what leaves the loop: it doesn't reach these again.
fn staying(code: TokenStream, leaving: Leaving<'_>) -> TokenStream {
    let tokens = Vec::from_iter(code);
    let mut stays = Vec::new();
    let mut left = false;
    let mut in_loop = false;
    let mut generic = 0;
    for (i, token) in tokens.iter().enumerate() {
        generic = generic.max(turbofish(&tokens[i..]).map_or(0, |length| i + length));
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => (left, in_loop) = (false, false),
            TokenTree::Punct(punct) if punct.as_char() == ',' => left &= i < generic,
            TokenTree::Ident(word) => in_loop |= is_loop(word, tokens.get(i + 1)),
            _ => {}
        }
        if left {
            continue;
        }
        left = leaving.starts(&tokens[i..]);
        stays.push(match token {
            TokenTree::Group(group) => {
                let braces = group.delimiter() == Delimiter::Brace;
                let inside = leaving.inside(&tokens[..i], in_loop && braces);
                in_loop &= !braces;
                regroup(group, staying(group.stream(), inside)).into()
            }
            other => other.clone(),
        });
    }
    stays.into_iter().collect()
}

/// Whether the next braces are those of a loop; `for<'a>` has none.
fn is_loop(word: &Ident, next: Option<&TokenTree>) -> bool {
    let bound = next.is_some_and(|token| is_punct(token, '<'));
    word == "loop" || word == "while" || (word == "for" && !bound)
}

/// The labels of loops and blocks.
fn labels(code: TokenStream) -> Vec<Ident> {
    let label = |tokens: &[TokenTree]| match tokens {
        [
            TokenTree::Punct(quote),
            TokenTree::Ident(label),
            TokenTree::Punct(colon),
        ] if quote.as_char() == '\'' && colon.as_char() == ':' => Some(label.clone()),
        _ => None,
    };
    flatten(code).windows(3).filter_map(label).collect()
}

/// Whether `break`, `return` or something that never returns comes after the last yield.
fn has_way_out_after_yield(tokens: TokenStream) -> bool {
    let flat = flatten(tokens);
    let after = flat
        .iter()
        .rposition(|token| is_word(token, YIELD))
        .map_or(0, |last| last + 1);
    flat[after..].windows(2).any(|tokens| {
        let called = matches!(&tokens[1], TokenTree::Group(_)) || is_punct(&tokens[1], '!');
        is_any_word(&tokens[0], &["break", "return"])
            || (called
                && (is_any_word(&tokens[0], &PANICS)
                    || is_any_word(&tokens[0], &["bail", "exit", "abort"])))
    })
}
