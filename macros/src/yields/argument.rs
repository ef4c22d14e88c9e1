//! What is yielded: a place, a value that moves, or what is no expression.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, Member, Token, parse::Parser, punctuated::Punctuated};

use crate::{error::written, tokens::is_punct};

/// What stands in the parentheses.
pub(crate) enum Argument {
    /// Nothing.
    Unit,
    /// A variable, or a part of one: what the body leaves is put back into it.
    Place(Expr),
    /// `move v`: evaluates to `v` and the exit.
    Move,
    /// Any other expression.
    Value,
    /// What is no expression, or several of them.
    Mistake(syn::Error),
}

impl Argument {
    /// What kind it is, and what is left of it without `move` and a final comma.
    pub(super) fn new(tokens: TokenStream) -> (Argument, TokenStream) {
        let mut rest = tokens.clone().into_iter();
        match (rest.next(), rest.clone().next()) {
            (None, _) => return (Argument::Unit, tokens),
            (Some(TokenTree::Ident(word)), next)
                if word == "move" && !next.as_ref().is_some_and(|next| is_punct(next, '|')) =>
            {
                let moved = without_final_comma(rest.collect());
                let argument = match mistake(&moved, Some(&word)) {
                    Some(error) => Argument::Mistake(error),
                    None => Argument::Move,
                };
                return (argument, moved);
            }
            _ => {}
        }
        let tokens = without_final_comma(tokens);
        let argument = match syn::parse2::<Expr>(tokens.clone()) {
            Ok(place) if is_place(&place) => Argument::Place(place),
            Ok(value) if !matches!(value, Expr::Let(_)) => Argument::Value,
            _ => match mistake(&tokens, None) {
                Some(error) => Argument::Mistake(error),
                // What is no slip is for rustc to explain.
                None => Argument::Value,
            },
        };
        (argument, tokens)
    }
}

/// What is said of `mut a`, `let a = b`, `name: a`, `a; b` and `a, b`, and of a `move` of nothing.
fn mistake(value: &TokenStream, moves: Option<&Ident>) -> Option<syn::Error> {
    let tokens = Vec::from_iter(value.clone());
    let call = |value: &str| match moves {
        Some(_) => format!("`yield_resource!(move {value})`"),
        None => format!("`yield_resource!({value})`"),
    };
    let without = |odd_one: &str, value: &[TokenTree]| {
        let value = value.iter().cloned().collect::<TokenStream>();
        let call = call(&written(value));
        format!("a yield takes one expression: write {call}, without {odd_one}")
    };
    let is_binding = |token: &&TokenTree| ["mut", "ref"].contains(&token.to_string().as_str());
    let bindings = tokens.iter().take_while(is_binding).count();
    let (at, message) = match tokens.as_slice() {
        [] => (
            moves?.to_token_stream(),
            "what is moved is missing: write `yield_resource!(move value)`".to_owned(),
        ),
        // What rustc proposes where the variable is used after the `async` block that it moves into.
        [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "ref" && moves.is_none() => (
            word.to_token_stream(),
            format!(
                "{}; if it moves into an `async` block, and the teardown uses it, `yield_resource!(move {name})`, which evaluates to `({name}, exit)`",
                without("`ref`", &tokens[1..]),
            ),
        ),
        [word, ..] if (1..tokens.len()).contains(&bindings) => (
            word.to_token_stream(),
            without(&format!("`{word}`"), &tokens[bindings..]),
        ),
        [TokenTree::Ident(word), _, ..] if word == "let" => (
            word.to_token_stream(),
            "a yield takes one expression: put the `let` before it, and yield the variable"
                .to_owned(),
        ),
        [name @ TokenTree::Ident(_), colon, rest @ ..]
            if is_punct(colon, ':') && rest.first().is_some_and(|next| !is_punct(next, ':')) =>
        {
            (name.to_token_stream(), without(&format!("`{name}:`"), rest))
        }
        [rest @ .., semicolon] if is_punct(semicolon, ';') && !rest.is_empty() => {
            (semicolon.to_token_stream(), without("the semicolon", rest))
        }
        _ => {
            let second = second(value)?;
            match without_turbofish(&tokens) {
                Some((open, path)) => (
                    open.into_token_stream(),
                    format!(
                        "the types of a path stand behind `::` in an expression: write `{path}::<…>`"
                    ),
                ),
                None => (
                    second,
                    format!(
                        "a context yields one resource: put several into a tuple, {}{}",
                        call("(a, b)"),
                        match moves {
                            Some(_) => "",
                            None =>
                                "; if the teardown uses them, `let ((a, b), exit) = yield_resource!(move (a, b));`",
                        }
                    ),
                ),
            }
        }
    };
    Some(syn::Error::new_spanned(at, message))
}

/// What is behind the first comma or semicolon.
fn second(tokens: &TokenStream) -> Option<TokenStream> {
    let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone());
    if let Ok(arguments) = arguments {
        return arguments.get(1).map(ToTokens::to_token_stream);
    }
    let mut rest = tokens.clone().into_iter();
    rest.find(|token| is_punct(token, ';'))?;
    Some(rest.collect())
}

/// The `<` of `HashMap<u8, u8>::new()`, which would be `HashMap < u8` and a second expression; and the path before it.
fn without_turbofish(tokens: &[TokenTree]) -> Option<(TokenTree, String)> {
    let open = tokens.iter().position(|token| is_punct(token, '<'))?;
    let closes = |pair: &[TokenTree]| {
        let goes_on = is_punct(&pair[1], ':') || matches!(pair[1], TokenTree::Group(_));
        is_punct(&pair[0], '>') && goes_on
    };
    if !tokens[open..].windows(2).any(closes) {
        return None;
    }
    let path = written(tokens[..open].iter().cloned().collect::<TokenStream>());
    Some((tokens[open].clone(), path))
}

/// Whether what the body leaves can be put back: a variable, or what is reached from one by fields, `*` and plain indices.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(path) if path.qself.is_none() => {
            // Constants, unit structs and variants begin with a capital letter.
            path.path.get_ident().is_some_and(|name| {
                !name
                    .to_string()
                    .trim_start_matches("r#")
                    .starts_with(char::is_uppercase)
            })
        }
        Expr::Field(field) => is_place(&field.base),
        Expr::Index(index) => {
            is_place(&index.expr)
                && (is_place(&index.index) || matches!(*index.index, Expr::Lit(_)))
        }
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Deref(_)) && is_place(&unary.expr),
        Expr::Paren(paren) => is_place(&paren.expr),
        Expr::Group(group) => is_place(&group.expr),
        _ => false,
    }
}

/// The variable that a place is or is part of.
pub(crate) fn root(place: &Expr) -> Option<&Ident> {
    match place {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Field(syn::ExprField {
            base,
            member: Member::Named(_) | Member::Unnamed(_),
            ..
        }) => root(base),
        Expr::Index(index) => root(&index.expr),
        Expr::Unary(unary) => root(&unary.expr),
        Expr::Paren(paren) => root(&paren.expr),
        Expr::Group(group) => root(&group.expr),
        _ => None,
    }
}

fn without_final_comma(tokens: TokenStream) -> TokenStream {
    let mut tokens = Vec::from_iter(tokens);
    if tokens.last().is_some_and(|token| is_punct(token, ',')) {
        tokens.pop();
    }
    tokens.into_iter().collect()
}
