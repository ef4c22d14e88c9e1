//! What stands in front of the user's block in ours.

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use crate::tokens::is_punct;

/// Rustc takes the braces around a single expression to be unnecessary, where they stand within others.
pub(crate) fn allow_braces(body: &Group, site: Span) -> Option<TokenStream> {
    let is_expression = !body.stream().into_iter().any(|token| is_punct(&token, ';'));
    is_expression.then(|| quote_spanned!(site=> #[allow(unused_braces)]))
}

/// A `return` that is never taken: before a block that `return` and `?` end, it has rustc know the type, so that what the block returns is coerced to it
/// as in any function. (What an `async` closure returns isn't, whatever type it declares.)
pub(crate) fn never_returned(site: Span, ty: &impl ToTokens) -> TokenStream {
    quote_spanned! {site=>
        if let ::core::option::Option::Some(returned) = ::core::option::Option::None::<#ty> {
            return returned;
        }
    }
}
