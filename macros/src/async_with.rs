//! `async_with!`: several contexts around one body.
//!
//! ```text
//! // Input
//! async_with!(db = database(url), tx = transaction(db.pool()), async || -> Result<i64, AppError> { … })
//!
//! // Output
//! async { /* database, around transaction, around: */ (async || -> Result<i64, AppError> { … })().await }
//! ```

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Expr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, discouraged::Speculative},
};

use crate::nest::{Context, Raise, nest};

/// The whole of `async_with!`. The input begins with the path of the runtime crate, which the `macro_rules` in front of this knows.
pub(crate) fn async_with(input: TokenStream) -> TokenStream {
    match syn::parse2::<AsyncWith>(input) {
        Ok(parsed) => parsed.expand(),
        Err(error) => {
            let error = error.into_compile_error();
            // Of any type, so that the mistake is the only one that is shown.
            quote_spanned!(Span::mixed_site()=> async { #error; loop { ::core::future::pending::<()>().await } })
        }
    }
}

struct AsyncWith {
    krate: TokenStream,
    contexts: Vec<Context>,
    body: Body,
}

/// The last argument, kept as it is written.
enum Body {
    Block(TokenStream),
    Closure(TokenStream),
}

impl AsyncWith {
    fn expand(self) -> TokenStream {
        let site = Span::mixed_site();
        let body = match self.body {
            Body::Block(block) => quote_spanned!(site=> #block.await),
            Body::Closure(closure) => quote_spanned!(site=> (#closure)().await),
        };
        let nested = nest(&self.krate, &self.contexts, body, Raise::Error);
        quote_spanned!(site=> async #nested)
    }
}

impl Parse for AsyncWith {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let krate = input.parse::<syn::Path>()?.into_token_stream();
        input.parse::<Token![;]>()?;
        let mut contexts = Vec::new();
        loop {
            if input.is_empty() {
                return Err(no_body(&contexts, input));
            }
            if Body::starts(input) {
                let body = Body::parse(input)?;
                if contexts.is_empty() {
                    return Err(input.error(
                        "`async_with!` has no context: write `name = context,` before the body",
                    ));
                }
                return Ok(AsyncWith {
                    krate,
                    contexts,
                    body,
                });
            }
            contexts.push(context(input)?);
            if input.is_empty() {
                return Err(no_body(&contexts, input));
            }
            if !input.peek(Token![,]) {
                return Err(input.error("expected a comma between a context and what follows it"));
            }
            let comma = input.parse::<Token![,]>()?;
            if input.peek(Token![,]) {
                return Err(syn::Error::new_spanned(
                    comma,
                    "expected a context or the body after this comma",
                ));
            }
        }
    }
}

/// `name = expression`, or `_ = expression`.
fn context(input: ParseStream<'_>) -> syn::Result<Context> {
    let ahead = input.fork();
    let named = (
        ahead.parse::<Token![mut]>().is_ok(),
        ahead.call(Ident::parse_any),
        ahead.peek(Token![=]) && !ahead.peek(Token![==]),
    );
    let (mutable, name) = match named {
        (mutable, Ok(name), true) => (mutable, name),
        _ => return Err(not_a_context(input)),
    };
    if mutable {
        return Err(syn::Error::new_spanned(
            input.parse::<Token![mut]>()?,
            "the resource is a `&mut` already: write the name without `mut`",
        ));
    }
    input.advance_to(&ahead);
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new_spanned(
            name,
            "expected a context after `=`",
        ));
    }
    let context = input.parse::<Expr>()?.into_token_stream();
    Ok(Context {
        name: (name != "_").then_some(name),
        context,
    })
}

fn not_a_context(input: ParseStream<'_>) -> syn::Error {
    match input.fork().parse::<Expr>() {
        Ok(expression @ (Expr::Closure(_) | Expr::Block(_))) => syn::Error::new_spanned(
            first_token(&expression),
            "the body has to be asynchronous: `async || -> Result<_, YourError> { … }` or `async { … }`",
        ),
        Ok(expression) => syn::Error::new_spanned(
            expression,
            "expected `name = context`, or the body: `async || -> Result<_, YourError> { … }` or `async { … }`",
        ),
        Err(_) => input.error("expected `name = context`, or the body: `async || -> Result<_, YourError> { … }` or `async { … }`"),
    }
}

fn first_token(tokens: &impl ToTokens) -> Option<TokenTree> {
    tokens.to_token_stream().into_iter().next()
}

fn no_body(contexts: &[Context], input: ParseStream<'_>) -> syn::Error {
    const MESSAGE: &str = "`async_with!` has no body: end it with `async || -> Result<_, YourError> { … }` or `async { … }`";
    match contexts.last() {
        Some(last) => syn::Error::new_spanned(&last.context, MESSAGE),
        None => input.error(MESSAGE),
    }
}

impl Body {
    fn starts(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        let is_async = ahead.parse::<Token![async]>().is_ok();
        if ahead.peek(Token![move]) {
            let _ = ahead.parse::<Token![move]>();
        }
        is_async
            && (ahead.peek(syn::token::Brace) || ahead.peek(Token![|]) || ahead.peek(Token![||]))
    }

    /// Everything that is left, but for a last comma. Not parsed: a body that is being typed still expands.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut tokens: Vec<TokenTree> = input.parse::<TokenStream>()?.into_iter().collect();
        if matches!(tokens.last(), Some(TokenTree::Punct(comma)) if comma.as_char() == ',') {
            tokens.pop();
        }
        let moved =
            usize::from(matches!(tokens.get(1), Some(TokenTree::Ident(word)) if word == "move"));
        match tokens.get(1 + moved) {
            Some(TokenTree::Group(block)) if block.delimiter() == Delimiter::Brace => {
                match tokens.get(2 + moved) {
                    None => Ok(Body::Block(tokens.into_iter().collect())),
                    Some(extra) => Err(syn::Error::new_spanned(
                        extra,
                        "the body is the last argument of `async_with!`",
                    )),
                }
            }
            _ => {
                if let Some(argument) = tokens.get(2 + moved).filter(|token| !is_bar(token)) {
                    return Err(syn::Error::new_spanned(
                        argument,
                        "the body takes no arguments: the resources have the names given to them before",
                    ));
                }
                Ok(Body::Closure(tokens.into_iter().collect()))
            }
        }
    }
}

fn is_bar(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(bar) if bar.as_char() == '|')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(input: &str) -> String {
        let input = format!("::contextlib; {input}")
            .parse::<TokenStream>()
            .expect("tokens");
        match syn::parse2::<AsyncWith>(input) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn contexts_and_a_body() {
        assert_eq!(
            message("a = f(), b = g(a.pool()), async || -> Result<i64, E> { Ok(1) }"),
            ""
        );
        assert_eq!(message("a = f(), async { Ok(1) }"), "");
        assert_eq!(message("_ = f(), async move { Ok(1) },"), "");
        assert_eq!(message("_t = f(), async move || Ok(half typed . ),"), "");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(message("a = f()").contains("no body"));
        assert!(message("").contains("no body"));
        assert!(message("async { 1 }").contains("no context"));
        assert!(message("a = f() async { 1 }").contains("comma"));
        assert!(message("a = f(),, async { 1 }").contains("comma"));
        assert!(message("f(), async { 1 }").contains("name = context"));
        assert!(message("a = f(), || 1").contains("asynchronous"));
        assert!(message("a = f(), { 1 }").contains("asynchronous"));
        assert!(message("a = f(), async |a| { 1 }").contains("no arguments"));
        assert!(message("mut a = f(), async { 1 }").contains("without `mut`"));
        assert!(message("a = , async { 1 }").contains("after `=`"));
        assert!(message("a = f(), async { 1 }, 2").contains("last argument"));
    }
}
