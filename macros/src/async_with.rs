//! `async_with!`: several contexts around one body.
//!
//! ```text
//! // Input
//! async_with!(db = database(url), tx = transaction(db.pool()), async || -> Result<i64, AppError> { … })
//!
//! // Output
//! async { /* database, around transaction, around: */ async { /* returns a Result<i64, AppError> */ { … } } }
//! ```

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Expr, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    token::Brace,
};

use crate::{
    block::{allow_braces, never_returned},
    context::{self, Context},
    editors,
    error::written,
    nest::{Around, AsyncBlock, ErrorIs, nest},
    tokens::{first_token, is_punct, is_word, shown_at, site_at, start, unwrap_fragment},
};

#[cfg(test)]
mod tests;

/// The whole of `async_with!`. The input begins with the path of the runtime crate, which the `macro_rules` in front of this knows.
pub(crate) fn async_with(input: TokenStream) -> TokenStream {
    match syn::parse2::<AsyncWith>(input.clone()) {
        Ok(parsed) => parsed.expand(),
        Err(error) => mistaken(input, error).unwrap_or_else(syn::Error::into_compile_error),
    }
}

/// A future of any type, so that the mistake is the only one that is shown.
fn mistaken(input: TokenStream, error: syn::Error) -> syn::Result<TokenStream> {
    let split = |input: ParseStream<'_>| Ok((parse_krate(input)?, input.parse()?));
    let (krate, arguments): (_, TokenStream) = split.parse2(input)?;
    let (site, error) = (Span::mixed_site(), error.into_compile_error());
    let for_editors = editors::shown(&krate, site, &editors::statements(arguments));
    Ok(quote_spanned! {site=>
        async {
            // In front of what is said of the mistake, see `editors`.
            #for_editors
            #error;
            loop { ::core::future::pending::<()>().await }
        }
    })
}

const NEITHER: &str = "expected `name = context`, or the body: `async || -> Result<_, YourError> { … }` or `async { … }`";

const IS_LAST: &str = "the body is the last argument of `async_with!`";

struct AsyncWith {
    krate: TokenStream,
    error: ErrorIs,
    contexts: Vec<Context>,
    body: Body,
}

/// The last argument, kept as it is written.
struct Body {
    /// The `move` of `async move { … }`: then the contexts' own expressions take what they use, too.
    moves: Option<TokenTree>,
    /// `async`, and `move`.
    word: TokenStream,
    /// What a closure says that it returns.
    returns: Option<TokenStream>,
    /// The braces, or a closure's expression.
    block: TokenStream,
}

impl AsyncWith {
    fn expand(self) -> TokenStream {
        let Body {
            moves,
            word,
            returns,
            block,
        } = self.body;
        let start = start(&word);
        let site = site_at(start);
        let krate = shown_at(self.krate.clone(), start);
        let returning = returns.map(|ty| never_returned(site, &ty));
        let allow = syn::parse2::<Group>(block.clone())
            .ok()
            .and_then(|block| allow_braces(&block, site));
        let body = AsyncBlock {
            word: Some(word),
            content: quote_spanned!(site=> #returning #allow #block),
            made: quote_spanned!(site=> #krate::__private::returned()),
        };
        let nested = nest(&self.krate, &self.contexts, body, Around::Block, self.error);
        // Shown at the body, so that what rustc says of the block stands beside the user's own `async`.
        quote_spanned!(site=> async #moves #nested)
    }
}

impl Parse for AsyncWith {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let krate = parse_krate(input)?;
        let mut error = ErrorIs::default();
        let mut contexts = Vec::new();
        loop {
            if input.is_empty() {
                return Err(no_body(&contexts));
            }
            if Body::starts(input) {
                if contexts.is_empty() {
                    return Err(syn::Error::new_spanned(
                        input.parse::<TokenTree>()?,
                        "`async_with!` has no context: write `name = context,` before the body",
                    ));
                }
                let body = Body::parse(input)?;
                return Ok(AsyncWith {
                    krate,
                    error,
                    contexts,
                    body,
                });
            }
            match ErrorIs::parse(input)? {
                Some(given) => error = given,
                None => contexts.push(parse_context(input)?),
            }
            if input.is_empty() {
                return Err(no_body(&contexts));
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

/// The path of the runtime crate, which is in front of the user's arguments.
fn parse_krate(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let krate = input.parse::<syn::Path>()?.into_token_stream();
    input.parse::<Token![;]>()?;
    Ok(krate)
}

/// `name = expression`, or `_ = expression`.
fn parse_context(input: ParseStream<'_>) -> syn::Result<Context> {
    let ahead = input.fork();
    let is_mutable = ahead.parse::<Token![mut]>().is_ok();
    let has_name = ahead.call(Ident::parse_any).is_ok();
    if !has_name || !ahead.peek(Token![=]) || ahead.peek(Token![==]) {
        return Err(not_a_context(input));
    }
    if is_mutable {
        return Err(context::mutable(input)?);
    }
    let name = context::parse_name(input)?;
    let expression = context::parse_expression(name.as_ref(), input)?;
    Ok(Context {
        name,
        expression: expression.into_token_stream(),
    })
}

fn not_a_context(input: ParseStream<'_>) -> syn::Error {
    if input.peek(Token![move]) && input.peek2(Token![async]) {
        return input.error("the `move` comes second: write `async move`");
    }
    if let Some(error) = context::of_a_binding(input) {
        return error;
    }
    if input.peek2(Token![:]) && !input.peek2(Token![::]) {
        return of_a_type(input).unwrap_or_else(|error| error);
    }
    if let Some(error) = context::of_a_pattern(input) {
        return error;
    }
    let ahead = input.fork();
    match ahead.parse::<Expr>() {
        Ok(expression @ (Expr::Closure(_) | Expr::Block(_))) => syn::Error::new_spanned(
            first_token(&expression),
            "the body has to be asynchronous: `async || -> Result<_, YourError> { … }` or `async { … }`",
        ),
        Ok(Expr::Cast(cast)) => context::named_behind(&cast),
        // The last one was probably meant to be the body.
        Ok(expression) if ahead.peek(Token![,]) && may_be_a_context(&expression) => {
            let context = written(&expression);
            let message = format!(
                "a context needs a name here: write `name = {context}`, or `_ = {context}` if the body has no use for its resource"
            );
            syn::Error::new_spanned(expression, message)
        }
        Ok(expression) => syn::Error::new_spanned(expression, NEITHER),
        Err(_) => input.error(NEITHER),
    }
}

/// Whether the expression is of a kind that contexts are written in.
fn may_be_a_context(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Await(_)
            | Expr::Call(_)
            | Expr::Field(_)
            | Expr::Macro(_)
            | Expr::MethodCall(_)
            | Expr::Path(_)
            | Expr::Struct(_)
            | Expr::Try(_)
            | Expr::Tuple(_)
    )
}

/// The error for `db: &mut Database = database()`.
fn of_a_type(input: ParseStream<'_>) -> syn::Result<syn::Error> {
    let ahead = input.fork();
    let (name, colon) = (ahead.call(Ident::parse_any)?, ahead.parse::<Token![:]>()?);
    let message = format!("the type of `{name}` comes from its context: write `{name} = context`");
    Ok(syn::Error::new_spanned(colon, message))
}

fn no_body(contexts: &[Context]) -> syn::Error {
    const MESSAGE: &str = "`async_with!` has no body: end it with `async || -> Result<_, YourError> { … }` or `async { … }`";
    match contexts.last() {
        Some(last) => syn::Error::new_spanned(&last.expression, MESSAGE),
        // `input.error` would begin with "unexpected end of input".
        None => syn::Error::new(Span::call_site(), MESSAGE),
    }
}

impl Body {
    fn starts(input: ParseStream<'_>) -> bool {
        let ahead = input.fork();
        let is_async = ahead.parse::<Token![async]>().is_ok();
        if ahead.peek(Token![move]) {
            let _ = ahead.parse::<Token![move]>();
        }
        is_async && (ahead.peek(Brace) || ahead.peek(Token![|]) || ahead.peek(Token![||]))
    }

    /// Everything that is left, but for a last comma. Not parsed: a body that is being typed still expands.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut tokens = Vec::from_iter(input.parse::<TokenStream>()?);
        if tokens.last().is_some_and(|last| is_punct(last, ',')) {
            tokens.pop();
        }
        unwrap_fragment(&mut tokens);
        let moves = tokens
            .get(1)
            .filter(|token| is_word(token, "move"))
            .cloned();
        let site = site_at(tokens[0].span());
        let rest = tokens.split_off(1 + usize::from(moves.is_some()));
        let word = TokenStream::from_iter(tokens);
        if let Some(comma) = comma_behind_a_closure(&rest) {
            return Err(syn::Error::new_spanned(comma, IS_LAST));
        }
        let (returns, block) = match &*rest {
            [TokenTree::Group(block), after @ ..] if block.delimiter() == Delimiter::Brace => {
                if let Some(extra) = after.first() {
                    return Err(syn::Error::new_spanned(extra, IS_LAST));
                }
                (None, rest.into_iter().collect())
            }
            [_, argument, ..] if !is_punct(argument, '|') => {
                return Err(syn::Error::new_spanned(
                    argument,
                    "the body takes no arguments: the resources have the names given to them before",
                ));
            }
            [_, _, dash, arrow, ty @ .., block] if is_punct(dash, '-') && is_punct(arrow, '>') => {
                (Some(quote!(#(#ty)*)), block.to_token_stream())
            }
            [_, _, TokenTree::Group(block)] if block.delimiter() == Delimiter::Brace => {
                (None, block.to_token_stream())
            }
            // Where a statement may stand, `match … { … } + 1` would be two.
            [_, _, expression @ ..] => (None, quote_spanned!(site=> (#(#expression)*))),
            _ => (None, TokenStream::new()),
        };
        Ok(Body {
            moves,
            word,
            returns,
            block,
        })
    }
}

/// The comma behind `|| { … }` or `|| -> T { … }`.
fn comma_behind_a_closure(tokens: &[TokenTree]) -> Option<TokenTree> {
    let comma = |input: ParseStream<'_>| {
        input.parse::<Token![||]>()?;
        if input.parse::<Option<Token![->]>>()?.is_some() {
            input.parse::<Type>()?;
        }
        let block: Group = input.parse()?;
        let behind = input.parse::<TokenStream>()?.into_iter().next();
        let in_braces = block.delimiter() == Delimiter::Brace;
        Ok(behind.filter(|behind| in_braces && is_punct(behind, ',')))
    };
    comma.parse2(tokens.iter().cloned().collect()).ok()?
}
