//! Macro calls: a yield, those whose arguments are code, and those that poll futures.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Expr, Macro, Pat, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
};

use super::{Paths, Walk, certain_points};
use crate::{
    known::{JOINS, PANICS, SELECTS, YIELD, is_transparent},
    tokens::{first_token, is_one_of, is_word},
    types::name_of,
};

impl Walk<'_> {
    pub(super) fn macro_call(&mut self, call: &Macro, paths: Paths) -> Paths {
        let Some(name) = name_of(&call.path) else {
            return paths;
        };
        if name == YIELD {
            let resource = expressions(without_move(call.tokens.clone())).unwrap_or_default();
            let paths = self.in_order(&resource, paths);
            return self.yield_point(call, paths);
        }
        if is_one_of(name, &JOINS) {
            let paths = self.join(name, call, paths);
            self.pass(&call.tokens);
            return paths;
        }
        self.pass(&call.tokens);
        if !is_transparent(name) {
            return paths;
        }
        let paths = match expressions(call.tokens.clone()) {
            Some(arguments) => self.in_order(&arguments, paths),
            None => self.points_among(call.tokens.clone(), paths),
        };
        if is_one_of(name, &PANICS) {
            Paths::NONE
        } else {
            paths
        }
    }

    /// Where the arguments are more than expressions, as with the pattern of `matches!`.
    fn points_among(&mut self, tokens: TokenStream, paths: Paths) -> Paths {
        certain_points(tokens)
            .iter()
            .filter(|point| !point.inside.is_wrapped())
            .fold(paths, |paths, point| self.yield_point(point, paths))
    }

    /// All futures of a `join!` or `select!` are made before one is polled, then one of the handlers is run.
    fn join(&mut self, name: &Ident, call: &Macro, paths: Paths) -> Paths {
        if !is_one_of(name, &SELECTS) {
            let futures = expressions(call.tokens.clone()).unwrap_or_default();
            return self.futures(&futures, name, paths);
        }
        let Some(select) = Select::new(call.tokens.clone()) else {
            return paths;
        };
        let paths = self.in_order(&select.conditions, paths);
        let paths = self.futures(&select.futures, name, paths);
        select
            .handlers
            .iter()
            .map(|handler| match handler {
                // What never ends may have been awaited.
                Expr::Path(_) => Paths::NONE,
                _ => self.arm(handler, paths),
            })
            .fold(Paths::NONE, Paths::or)
    }

    fn futures(&mut self, futures: &[Expr], name: &Ident, paths: Paths) -> Paths {
        for future in futures {
            self.bare_yield(future, &format!("{name}!"));
        }
        self.in_order(futures, paths)
    }
}

/// What is yielded, also by `yield_resource!(move value)`.
fn without_move(tokens: TokenStream) -> TokenStream {
    match first_token(&tokens) {
        Some(first) if is_word(&first, "move") => tokens.into_iter().skip(1).collect(),
        _ => tokens,
    }
}

/// Expressions with commas between them, or a semicolon as in `vec![0; 8]` and behind `biased`; `None` if there is anything else.
pub(super) fn expressions(tokens: TokenStream) -> Option<Vec<Expr>> {
    let all = |input: ParseStream<'_>| {
        let mut expressions = Vec::new();
        while !input.is_empty() {
            expressions.push(input.parse()?);
            if input.parse::<Option<Token![;]>>()?.is_none() && !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(expressions)
    };
    all.parse2(tokens).ok()
}

/// The arms of a `select!`, as `tokio` and `futures` have them.
#[derive(Default)]
pub(super) struct Select {
    pub(super) conditions: Vec<Expr>,
    pub(super) futures: Vec<Expr>,
    pub(super) handlers: Vec<Expr>,
}

impl Select {
    pub(super) fn new(tokens: TokenStream) -> Option<Select> {
        syn::parse2(tokens).ok()
    }
}

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> syn::Result<Select> {
        let mut select = Select::default();
        // `biased;`
        if input.peek2(Token![;]) {
            input.parse::<Ident>()?;
            input.parse::<Token![;]>()?;
        }
        while !input.is_empty() {
            // `else`, `complete` and `default` have no future.
            if input.peek2(Token![=>]) {
                input.call(Ident::parse_any)?;
            } else {
                Pat::parse_multi_with_leading_vert(input)?;
                input.parse::<Token![=]>()?;
                select.futures.push(input.parse()?);
                if input.parse::<Option<Token![,]>>()?.is_some() {
                    input.parse::<Token![if]>()?;
                    select.conditions.push(input.parse()?);
                }
            }
            input.parse::<Token![=>]>()?;
            let handler = input.call(Expr::parse_with_earlier_boundary_rule)?;
            select.handlers.push(handler);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(select)
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn the_arms_of_a_select() {
        let select = Select::new(quote! {
            biased;
            Some(x) = next(), if x > 3 => { f(x) }
            () = async { 1 } => y = 2,
            else => break,
        });
        let select = select.expect("arms");
        assert_eq!(select.conditions.len(), 1);
        assert_eq!(select.futures.len(), 2);
        assert_eq!(select.handlers.len(), 3);
        assert!(Select::new(quote!(recv(a) -> b => f(b))).is_none());
    }

    #[test]
    fn arguments_that_are_expressions() {
        let count = |tokens| expressions(tokens).map(|expressions| expressions.len());
        assert_eq!(count(quote!()), Some(0));
        assert_eq!(count(quote!("{} {b}", a, b = c?,)), Some(3));
        assert_eq!(count(quote!(0; 8)), Some(2));
        assert_eq!(count(quote!(a, Some(n) if n > 3)), None);
    }
}
