//! What is yielded that is no expression, or is several.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, Token, parse::Parser, punctuated::Punctuated};

use crate::{
    error::written,
    tokens::{is_any_word, is_punct, is_word},
};

/// The error for `mut a`, `let a = b`, `name: a`, `a; b` and `a, b`, and for a `move` of nothing.
pub(super) fn mistake(value: &TokenStream, moves: Option<&Ident>) -> Option<syn::Error> {
    let value = Vec::from_iter(value.clone());
    let call = Call {
        value: &value,
        moves,
    };
    call.of_nothing()
        .or_else(|| call.by_reference())
        .or_else(|| call.of_a_binding())
        .or_else(|| call.of_a_statement())
        .or_else(|| call.with_a_name())
        .or_else(|| call.with_a_semicolon())
        .or_else(|| call.without_turbofish())
        .or_else(|| call.of_several())
}

/// `yield_resource!(value)`, or `yield_resource!(move value)`.
struct Call<'a> {
    value: &'a [TokenTree],
    /// The `move`.
    moves: Option<&'a Ident>,
}

impl Call<'_> {
    fn of_nothing(&self) -> Option<syn::Error> {
        let moves = self.moves.filter(|_| self.value.is_empty())?;
        let message = "`move` needs a value: write `yield_resource!(move value)`";
        Some(syn::Error::new_spanned(moves, message))
    }

    /// `ref name`, which rustc proposes where the variable is used after the `async` block that it moves into.
    fn by_reference(&self) -> Option<syn::Error> {
        match self.value {
            [word, TokenTree::Ident(name)] if is_word(word, "ref") && self.moves.is_none() => {
                let message = format!(
                    "{}; if it moves into an `async` block, and the teardown uses it, `yield_resource!(move {name})`, which evaluates to `({name}, exit)`",
                    self.without("`ref`", &self.value[1..]),
                );
                Some(syn::Error::new_spanned(word, message))
            }
            _ => None,
        }
    }

    /// `mut name`, `ref mut name`.
    fn of_a_binding(&self) -> Option<syn::Error> {
        let is_binding = |token: &&TokenTree| is_any_word(token, &["mut", "ref"]);
        let words = self.value.iter().take_while(is_binding).count();
        let (word, rest) = (self.value.first()?, &self.value[words..]);
        if words == 0 || rest.is_empty() {
            return None;
        }
        let message = self.without(&format!("`{word}`"), rest);
        Some(syn::Error::new_spanned(word, message))
    }

    /// `let name = value`.
    fn of_a_statement(&self) -> Option<syn::Error> {
        match self.value {
            [word, _, ..] if is_word(word, "let") => {
                let message =
                    "a yield takes one expression: put the `let` before it, and yield the variable";
                Some(syn::Error::new_spanned(word, message))
            }
            _ => None,
        }
    }

    /// `name: value`.
    fn with_a_name(&self) -> Option<syn::Error> {
        match self.value {
            [name @ TokenTree::Ident(_), colon, rest @ ..]
                if is_punct(colon, ':')
                    && rest.first().is_some_and(|next| !is_punct(next, ':')) =>
            {
                let message = self.without(&format!("`{name}:`"), rest);
                Some(syn::Error::new_spanned(name, message))
            }
            _ => None,
        }
    }

    /// `value;`.
    fn with_a_semicolon(&self) -> Option<syn::Error> {
        let (semicolon, value) = self.value.split_last()?;
        let is_value = is_punct(semicolon, ';') && !value.is_empty();
        is_value.then(|| syn::Error::new_spanned(semicolon, self.without("the semicolon", value)))
    }

    /// `HashMap<u8, u8>::new()`, which would be `HashMap < u8` and a second expression.
    fn without_turbofish(&self) -> Option<syn::Error> {
        self.second()?;
        let open = self.value.iter().position(|token| is_punct(token, '<'))?;
        let closes = |pair: &[TokenTree]| {
            let goes_on = is_punct(&pair[1], ':') || matches!(pair[1], TokenTree::Group(_));
            is_punct(&pair[0], '>') && goes_on
        };
        if !self.value[open..].windows(2).any(closes) {
            return None;
        }
        let path = written_tokens(&self.value[..open]);
        let message =
            format!("the types of a path come after `::` in an expression: write `{path}::<…>`");
        Some(syn::Error::new_spanned(&self.value[open], message))
    }

    /// `a, b` or `a; b`.
    fn of_several(&self) -> Option<syn::Error> {
        let second = self.second()?;
        let call = self.with("(a, b)");
        let moving = match self.moves {
            Some(_) => "",
            None => {
                "; if the teardown uses them, `let ((a, b), exit) = yield_resource!(move (a, b));`"
            }
        };
        let message =
            format!("a context yields one resource: put several into a tuple, {call}{moving}");
        Some(syn::Error::new_spanned(second, message))
    }

    /// What is behind the first comma or semicolon.
    fn second(&self) -> Option<TokenStream> {
        let tokens = self.value.iter().cloned();
        let arguments =
            Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone().collect());
        if let Ok(arguments) = arguments {
            return arguments.get(1).map(ToTokens::to_token_stream);
        }
        let mut rest = tokens;
        rest.find(|token| is_punct(token, ';'))?;
        Some(rest.collect())
    }

    /// The same call of another value.
    fn with(&self, value: &str) -> String {
        match self.moves {
            Some(_) => format!("`yield_resource!(move {value})`"),
            None => format!("`yield_resource!({value})`"),
        }
    }

    fn without(&self, odd_one: &str, value: &[TokenTree]) -> String {
        let call = self.with(&written_tokens(value));
        format!("a yield takes one expression: write {call}, without {odd_one}")
    }
}

fn written_tokens(tokens: &[TokenTree]) -> String {
    written(TokenStream::from_iter(tokens.iter().cloned()))
}
