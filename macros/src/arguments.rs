//! What stands in the parentheses of a macro call, where that is code: expressions, or the arms of a `select!`.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Expr, Pat, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
};

/// Expressions with a comma between them, or a semicolon as in `vec![0; 8]` and behind `biased`; none if there is something else too.
pub(crate) fn expressions(tokens: TokenStream) -> Option<Vec<Expr>> {
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
pub(crate) struct Select {
    pub(crate) conditions: Vec<Expr>,
    pub(crate) futures: Vec<Expr>,
    pub(crate) handlers: Vec<Expr>,
}

impl Select {
    pub(crate) fn new(tokens: TokenStream) -> Option<Select> {
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
