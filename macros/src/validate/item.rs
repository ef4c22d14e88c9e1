//! What the attribute is on, if that is no function.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute,
    parse::{ParseStream, Parser},
};

use crate::{
    error::Errors,
    known::YIELD,
    tokens::{contains_word, is_word, nested_item, regroup},
};

/// For what isn't a function, or not one that can be parsed: the error, and the item as it is.
pub(crate) fn not_a_function(
    item: &TokenStream,
    error: syn::Error,
    mut errors: Errors,
) -> TokenStream {
    let after_attributes = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<syn::Visibility>()?;
        input.parse::<TokenStream>()
    };
    let rest = Vec::from_iter(after_attributes.parse2(item.clone()).unwrap_or_default());
    let head = rest
        .iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)));
    let is_function = head.clone().any(|token| is_word(token, "fn"));
    match rest.first() {
        Some(TokenTree::Ident(keyword)) if !is_function => {
            let message = match keyword.to_string().as_str() {
                block @ ("impl" | "trait" | "mod" | "extern") => {
                    format!(
                        "`#[async_context]` goes on an `async fn`: put it on those in this `{block}` that are contexts"
                    )
                }
                other @ ("struct" | "enum" | "union" | "const" | "static" | "type" | "use"
                | "let") => {
                    format!("`#[async_context]` goes on an `async fn`, not on a `{other}`")
                }
                _ => "`#[async_context]` goes on an `async fn`".to_owned(),
            };
            errors.at(keyword, message);
        }
        _ => errors.add(error),
    }
    errors.before(without_yielding_bodies(item.clone()))
}

/// Functions that yield and aren't context functions, for want of the attribute or of a signature: their bodies would only bring follow-up errors.
fn without_yielding_bodies(item: TokenStream) -> TokenStream {
    let tokens = Vec::from_iter(item);
    let mut without = TokenStream::new();
    let mut i = 0;
    while i < tokens.len() {
        let length = nested_item(&tokens[i..]).unwrap_or(1);
        for token in &tokens[i..i + length] {
            match token {
                TokenTree::Group(body) if length > 1 && body.delimiter() == Delimiter::Brace => {
                    let yields = contains_word(body, YIELD);
                    let unreachable = quote_spanned!(body.span()=> { ::core::unreachable!() });
                    without.extend(if yields {
                        unreachable
                    } else {
                        token.to_token_stream()
                    });
                }
                TokenTree::Group(group) if length == 1 => {
                    regroup(group, without_yielding_bodies(group.stream())).to_tokens(&mut without);
                }
                token => token.to_tokens(&mut without),
            }
        }
        i += length;
    }
    without
}
