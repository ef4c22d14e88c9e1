//! What is yielded: a place, a value that moves, or what is no expression.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{Expr, Member};

use super::mistakes::mistake;
use crate::tokens::is_punct;

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
