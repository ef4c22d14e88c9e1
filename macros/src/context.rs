//! One context of `async_with!` or `#[within]`: `name = context`.

use proc_macro2::{Ident, TokenStream};
use syn::{Expr, ExprCast, ExprLit, Lit, Pat, Token, ext::IdentExt, parse::ParseStream};

use crate::{
    args::POLICIES,
    error::{without_let, written},
    tokens::is_one_of,
};

/// A context, and what its resource is called.
pub(crate) struct Context {
    /// What the body calls the resource; `None` if it has no use for it.
    pub(crate) name: Option<Ident>,
    pub(crate) expression: TokenStream,
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

/// The context, if it may be one.
pub(crate) fn parse_expression(name: Option<&Ident>, input: ParseStream<'_>) -> syn::Result<Expr> {
    let expression = input.parse()?;
    match not_a_context(name, &expression) {
        Some(error) => Err(error),
        None => Ok(expression),
    }
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
                "a resource needs a name here: write `name = {context}`, and in the body `let {} = name;`",
                written(&pattern)
            )
        }
    };
    Some(syn::Error::new_spanned(pattern, message))
}

/// The error for `name: context`, `name := context` and `let name = context`.
pub(crate) fn of_a_binding(input: ParseStream<'_>) -> Option<syn::Error> {
    let ahead = input.fork();
    if let Ok(Expr::Let(binding)) = ahead.fork().parse() {
        return Some(without_let(&binding));
    }
    let name = ahead.call(Ident::parse_any).ok()?;
    let colon = ahead.parse::<Token![:]>().ok()?;
    let equals = ahead.parse::<Option<Token![=]>>().ok()?;
    let context = ahead.parse::<Expr>().ok()?;
    // Anything else may be a type.
    let is_called = matches!(
        context,
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_)
    );
    let message = format!("write `{name} = {}`", written(context));
    (equals.is_some() || is_called).then(|| syn::Error::new_spanned(colon, message))
}

/// The error for `name = policy` where that is an argument of `#[async_context]`, and for a context in quotes.
fn not_a_context(name: Option<&Ident>, context: &Expr) -> Option<syn::Error> {
    if let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = context
    {
        let message = format!("without quotes: `{}`", text.value());
        return Some(syn::Error::new_spanned(text, message));
    }
    let Expr::Path(word) = context else {
        return None;
    };
    let argument = match name?.to_string().as_str() {
        "on_cancel" => is_one_of(word.path.get_ident()?, &POLICIES),
        "setup" => word.path.is_ident("finish") || word.path.is_ident("drop"),
        _ => false,
    };
    argument.then(|| {
        syn::Error::new_spanned(
            name,
            format!(
                "`{}` belongs to the context function: write it in its `#[async_context(…)]`",
                written(name)
            ),
        )
    })
}

/// The error for `context as name`.
pub(crate) fn named_behind(cast: &ExprCast) -> syn::Error {
    let (context, name) = (written(&cast.expr), written(&cast.ty));
    let message = format!("the name comes first: write `{name} = {context}`");
    syn::Error::new_spanned(cast, message)
}
