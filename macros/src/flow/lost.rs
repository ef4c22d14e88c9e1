//! A resource that an `async` block takes along, and that is used after it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, Macro, Member, Stmt, Type};

use super::{Walk, operands};
use crate::{
    error::written,
    known::JOINS,
    tokens::{
        begins_async_block, behind_a_path, flatten, is_formatted, is_one_of, is_punct, is_word,
    },
    types::{name_of, ungroup},
    yields::{Argument, Yields, root},
};

impl Walk<'_> {
    /// What is yielded by name inside an `async` block, and used after it.
    pub(super) fn lost_resources(&mut self, statements: &[Stmt]) {
        for (i, statement) in statements.iter().enumerate() {
            let mut after = TokenStream::new();
            let expr = match statement {
                Stmt::Local(local) => {
                    // It may bind the same name.
                    local.pat.to_tokens(&mut after);
                    local.init.as_ref().map(|init| &*init.expr)
                }
                Stmt::Expr(expr, _) => Some(expr),
                Stmt::Macro(_) | Stmt::Item(_) => None,
            };
            // An item has names of its own.
            statements[i + 1..]
                .iter()
                .filter(|statement| !matches!(statement, Stmt::Item(_)))
                .for_each(|statement| statement.to_tokens(&mut after));
            match (statement, expr) {
                (Stmt::Macro(statement), _) => self.lost_in_join(&statement.mac, after),
                (_, Some(expr)) => self.lost_in(expr, after),
                _ => {}
            }
        }
    }

    /// In the `async` blocks among the arguments of `join!` and `select!`, where what stands behind a block comes after it too.
    fn lost_in_join(&mut self, call: &Macro, after: TokenStream) {
        if !name_of(&call.path).is_some_and(|name| is_one_of(name, &JOINS)) {
            return;
        }
        let tokens = Vec::from_iter(call.tokens.clone());
        for (i, token) in tokens.iter().enumerate() {
            if let (true, TokenTree::Group(block)) = (begins_async_block(&tokens[..i]), token) {
                let rest = tokens[i + 1..].iter().cloned().collect::<TokenStream>();
                self.lost_in_block(
                    block.to_token_stream(),
                    rest.into_iter().chain(after.clone()).collect(),
                );
            }
        }
    }

    fn lost_in_block(&mut self, code: TokenStream, after: TokenStream) {
        // What is copied doesn't move into the block, which then refers to the variable outside.
        if self.returns.spelt_resource().is_some_and(is_copied) {
            return;
        }
        for point in Yields::find(code.clone(), self.yields.fixed.clone()).points {
            let Argument::Place(place) = &point.argument else {
                continue;
            };
            let (Some(name), Some(moved)) = (root(place), name_of_moved(place)) else {
                continue;
            };
            if !is_declared(name, code.clone()) && is_used_first(name, place, after.clone()) {
                let message = format!(
                    "`{name}` moves into this `async` block, and can't be put back into the `{name}` outside: write `yield_resource!(move {place})`, which evaluates to `({moved}, exit)`, and let the block end in that: `let ({moved}, exit) = …`",
                    place = written(place),
                );
                self.report(place, &message);
            }
        }
    }

    fn lost_in(&mut self, expr: &Expr, after: TokenStream) {
        match expr {
            Expr::Async(expr) => self.lost_in_block(expr.block.to_token_stream(), after),
            Expr::Macro(expr) => self.lost_in_join(&expr.mac, after),
            Expr::Match(expr) => {
                let mut arms = TokenStream::new();
                expr.arms.iter().for_each(|arm| arm.to_tokens(&mut arms));
                arms.extend(after);
                self.lost_in(&expr.expr, arms);
            }
            Expr::Assign(expr) => {
                let left = expr.left.to_token_stream();
                self.lost_in(&expr.right, left.into_iter().chain(after).collect());
            }
            Expr::If(expr) => {
                let mut branches = TokenStream::new();
                bound_in(&expr.cond, &mut branches);
                expr.then_branch.to_tokens(&mut branches);
                if let Some((_, otherwise)) = &expr.else_branch {
                    otherwise.to_tokens(&mut branches);
                }
                branches.extend(after);
                self.lost_in(&expr.cond, branches);
            }
            Expr::Block(expr) => self.lost_resources(&expr.block.stmts),
            // Blocks that may not be run, or run again, say nothing certain of what is after them.
            Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_) | Expr::Closure(_) => {}
            _ => operands(expr)
                .into_iter()
                .for_each(|part| self.lost_in(part, after.clone())),
        }
    }
}

/// Whether this type is surely `Copy`.
fn is_copied(ty: &Type) -> bool {
    const COPIED: [&str; 16] = [
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
        "i128", "isize", "f32", "f64",
    ];
    match ungroup(ty) {
        Type::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|name| is_one_of(name, &COPIED)),
        Type::Reference(reference) => reference.mutability.is_none(),
        Type::Tuple(tuple) => tuple.elems.iter().all(is_copied),
        Type::Array(array) => is_copied(&array.elem),
        _ => false,
    }
}

/// The patterns of an `if let`, which may bind the same name.
fn bound_in(condition: &Expr, patterns: &mut TokenStream) {
    match condition {
        Expr::Let(expr) => expr.pat.to_tokens(patterns),
        Expr::Binary(expr) => {
            bound_in(&expr.left, patterns);
            bound_in(&expr.right, patterns);
        }
        _ => {}
    }
}

/// The name of what a `move` of this place gives; none behind a pointer or an index, from where nothing can be moved.
fn name_of_moved(place: &Expr) -> Option<String> {
    match place {
        Expr::Path(path) => Some(path.path.get_ident()?.to_string()),
        Expr::Field(field) => match &field.member {
            Member::Named(name) => Some(name.to_string()),
            Member::Unnamed(_) => Some("it".to_owned()),
        },
        Expr::Paren(paren) => name_of_moved(&paren.expr),
        Expr::Group(group) => name_of_moved(&group.expr),
        _ => None,
    }
}

/// Whether `name` is bound somewhere in `tokens`, as far as a `let` tells.
fn is_declared(name: &Ident, tokens: TokenStream) -> bool {
    let words = flatten(tokens).into_iter().filter_map(|token| match token {
        TokenTree::Ident(word) => Some(word),
        _ => None,
    });
    let words = Vec::from_iter(words);
    words.windows(3).any(|words| {
        words[0] == "let" && (words[1] == *name || (words[1] == "mut" && words[2] == *name))
    }) || matches!(words.as_slice(), [.., keyword, last] if keyword == "let" && last == name)
}

/// Whether the first mention of `name` is surely a use of the place that it is, or that begins with it.
fn is_used_first(name: &Ident, place: &Expr, tokens: TokenStream) -> bool {
    let flat = flatten(tokens);
    let is_mention = |token: &TokenTree| match token {
        TokenTree::Ident(word) => word == name,
        TokenTree::Literal(text) => is_formatted(name, &text.to_string()),
        _ => false,
    };
    let Some(position) = flat.iter().position(is_mention) else {
        return false;
    };
    let (before, mention) = flat.split_at(position);
    if matches!(mention[0], TokenTree::Literal(_)) {
        // Not if it is the name of another argument.
        let is_named = |pair: &[TokenTree]| is_mention(&pair[0]) && is_punct(&pair[1], '=');
        return begins_macro(before) && !mention.windows(2).any(is_named);
    }
    let place = flatten(place.to_token_stream());
    mention
        .split_at_checked(place.len())
        .is_some_and(|(mentioned, behind)| {
            let is_same = |(a, b): (&TokenTree, &TokenTree)| a.to_string() == b.to_string();
            mentioned.iter().zip(&place).all(is_same) && is_used(before, behind)
        })
}

/// Whether the arguments of a macro begin behind these tokens, as in `println!("{name}")`.
fn begins_macro(before: &[TokenTree]) -> bool {
    matches!(before, [.., bang, TokenTree::Group(_)] if is_punct(bang, '!'))
}

/// Whether a place between these tokens is used: `place.method()`, `let other = place;`, `call(&place)`.
fn is_used(before: &[TokenTree], behind: &[TokenTree]) -> bool {
    let is_dot = |token: Option<&TokenTree>| token.is_some_and(|token| is_punct(token, '.'));
    if !behind_a_path(before) && is_dot(behind.first()) && !is_dot(behind.get(1)) {
        return true;
    }
    let before = match before {
        [before @ .., and, word] if is_punct(and, '&') && is_word(word, "mut") => before,
        [before @ .., and] if is_punct(and, '&') => before,
        _ => before,
    };
    match (before, behind) {
        ([.., equals], [end, ..]) if is_punct(equals, '=') => is_punct(end, ';'),
        ([.., TokenTree::Ident(function), TokenTree::Group(_)], [TokenTree::Group(_), ..]) => {
            !is_keyword(function) && !function.to_string().starts_with(char::is_uppercase)
        }
        _ => false,
    }
}

/// Whether this is a keyword, and parentheses behind it are those of a pattern.
fn is_keyword(word: &Ident) -> bool {
    is_one_of(word, &["let", "for", "mut", "ref", "fn"])
}
