//! One context of `async_with!` or `#[within]`: `name = context`.

use proc_macro2::{Ident, TokenStream};
use syn::{Expr, ExprCast, Pat, Token, ext::IdentExt, parse::ParseStream};

use crate::error::written;

/// A context, and what its resource is called.
pub(crate) struct Context {
    /// What the body calls the resource; `None` if it has no use for it.
    pub(crate) name: Option<Ident>,
    pub(crate) context: TokenStream,
}

/// The `name =` or `_ =` before a context.
pub(crate) fn parse_name(input: ParseStream<'_>) -> syn::Result<Option<Ident>> {
    let name = input.call(Ident::parse_any)?;
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new_spanned(
            name,
            "expected a context after `=`",
        ));
    }
    Ok((name != "_").then_some(name))
}

/// The error for `mut name = context`.
pub(crate) fn mutable(input: ParseStream<'_>) -> syn::Result<syn::Error> {
    Ok(syn::Error::new_spanned(
        input.parse::<Token![mut]>()?,
        "the resource is a `&mut` already: write the name without `mut`",
    ))
}

/// The error for `pattern = context`, if that is what stands here; a name alone is no pattern.
pub(crate) fn of_a_pattern(input: ParseStream<'_>) -> Option<syn::Error> {
    let ahead = input.fork();
    let pattern = ahead.call(Pat::parse_single).ok()?;
    if !ahead.peek(Token![=]) || ahead.peek(Token![==]) || ahead.peek(Token![=>]) {
        return None;
    }
    ahead.parse::<Token![=]>().ok()?;
    let message = match &pattern {
        Pat::Reference(_) | Pat::Ident(_) => {
            "the resource is a `&mut` already: write its name alone".to_owned()
        }
        _ => {
            let context = ahead
                .parse::<Expr>()
                .map_or_else(|_| "context".to_owned(), written);
            format!(
                "a resource has a name here: write `name = {context}`, and in the body `let {} = name;`",
                written(&pattern)
            )
        }
    };
    Some(syn::Error::new_spanned(pattern, message))
}

/// The error for `context as name`.
pub(crate) fn named_behind(cast: &ExprCast) -> syn::Error {
    let (context, name) = (written(&cast.expr), written(&cast.ty));
    let message = format!("the name comes first: write `{name} = {context}`");
    syn::Error::new_spanned(cast, message)
}
