//! The arguments of the attribute: `#[within(name = context, …)]`.

use proc_macro2::{Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Expr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

use crate::{
    args::parse_crate,
    context::{self, Context},
    error::Errors,
    nest::ErrorIs,
    spelling::did_you_mean,
};

/// What stands in the parentheses: contexts, each with a name or without, and what overrides a guess.
#[derive(Default)]
pub(super) struct Args {
    krate: Option<syn::Path>,
    pub(super) error: ErrorIs,
    pub(super) contexts: Vec<Context>,
    pub(super) fallible: Option<Ident>,
    pub(super) infallible: Option<Ident>,
}

impl Args {
    pub(super) fn parse_all(tokens: TokenStream, errors: &mut Errors) -> Args {
        let nothing = tokens.is_empty();
        let args = syn::parse2::<Args>(tokens).unwrap_or_else(|error| {
            errors.add(error);
            Args::default()
        });
        if let (Some(_), Some(infallible)) = (&args.fallible, &args.infallible) {
            errors.at(
                infallible,
                "`infallible` contradicts `fallible`: a function returns a `Result` or it doesn't",
            );
        }
        if args.contexts.is_empty() && errors.is_empty() {
            let missing = if nothing { "" } else { " too" };
            errors.add(syn::Error::new(
                Span::call_site(),
                format!("`#[within]` needs a context{missing}: write `#[within(name = context)]`, or `#[within(context)]` if the function has no use for its resource"),
            ));
        }
        args
    }

    /// The path of the runtime crate.
    pub(super) fn krate(&self) -> TokenStream {
        match &self.krate {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(Span::mixed_site()=> ::contextlib),
        }
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Args::default();
        while !input.is_empty() {
            let ends = |input: ParseStream<'_>| input.is_empty() || input.peek(Token![,]);
            let ahead = input.fork();
            let word = ahead.call(Ident::parse_any).ok();
            let word = word.filter(|_| ends(&ahead)).map(|word| word.to_string());
            if let Some(meant) = word.as_deref().and_then(misspelt) {
                return Err(input.error(format!("did you mean `{meant}`?")));
            }
            match word.as_deref() {
                Some("fallible") => args.fallible = Some(input.parse()?),
                Some("infallible") => args.infallible = Some(input.parse()?),
                _ if input.peek(Token![crate]) && input.peek2(Token![=]) => {
                    input.parse::<Token![crate]>()?;
                    input.parse::<Token![=]>()?;
                    args.krate = Some(parse_crate(input)?);
                }
                _ => match ErrorIs::parse(input)? {
                    Some(given) => args.error = given,
                    None => args.contexts.push(parse_context(input)?),
                },
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                return Err(syn::Error::new_spanned(
                    input.parse::<TokenTree>()?,
                    "expected a comma between the contexts of `#[within]`, as in `name = context, …`",
                ));
            }
        }
        Ok(args)
    }
}

/// What `infalible` was meant to be. Other words that are as near may be a variable's name.
fn misspelt(word: &str) -> Option<&'static str> {
    let meant = did_you_mean(word, &["fallible", "infallible"]);
    meant.filter(|meant| word != *meant && word.contains("fal"))
}

fn parse_context(input: ParseStream<'_>) -> syn::Result<Context> {
    if input.peek(Token![mut]) {
        return Err(context::mutable(input)?);
    }
    if let Some(error) = context::of_a_binding(input) {
        return Err(error);
    }
    if input.peek(Ident::peek_any) && input.peek2(Token![:]) && !input.peek2(Token![::]) {
        let name = input.call(Ident::parse_any)?;
        let message = format!(
            "the type belongs to the function's argument `{name}`: write `{name} = context` here"
        );
        return Err(syn::Error::new_spanned(
            input.parse::<Token![:]>()?,
            message,
        ));
    }
    let named = input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
    let name = if named || input.peek(Token![_]) {
        context::parse_name(input)?
    } else if let Some(error) = context::of_a_pattern(input) {
        return Err(error);
    } else {
        None
    };
    match context::parse_expression(name.as_ref(), input)? {
        Expr::Cast(cast) => Err(context::named_behind(&cast)),
        expression => Ok(Context {
            name,
            expression: expression.into_token_stream(),
        }),
    }
}

/// The names that contexts are given, also where the rest is wrong.
pub(super) fn names(args: TokenStream) -> Vec<Ident> {
    let tokens = Vec::from_iter(args);
    let named = |pair: &[TokenTree]| match pair {
        [TokenTree::Ident(name), TokenTree::Punct(punct)]
            if punct.as_char() == '='
                || (punct.as_char() == ':' && punct.spacing() == Spacing::Alone) =>
        {
            Some(name.clone())
        }
        _ => None,
    };
    tokens.windows(2).filter_map(named).collect()
}
