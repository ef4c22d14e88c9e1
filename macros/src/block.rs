//! The user's block: what stands in front of it in ours, and how it ends.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

use crate::{
    known::PANICS,
    tokens::{begins_statement, is_one_of, is_punct, macro_call, without_path},
};

/// Allows the braces around a single expression, which rustc finds unnecessary inside others.
pub(crate) fn allow_braces(body: &Group, site: Span) -> Option<TokenStream> {
    let is_expression = !body.stream().into_iter().any(|token| is_punct(&token, ';'));
    is_expression.then(|| quote_spanned!(site=> #[allow(unused_braces)]))
}

/// A `return` that is never taken. In front of a block that `return` and `?` end, it tells rustc the type, so that what the block returns is coerced to it,
/// as in any function. (What an `async` closure returns isn't coerced, whatever type it declares.)
pub(crate) fn never_returned(site: Span, ty: &impl ToTokens) -> TokenStream {
    quote_spanned! {site=>
        if let ::core::option::Option::Some(returned) = ::core::option::Option::None::<#ty> {
            return returned;
        }
    }
}

/// Whether the last statement is `todo!()` or its like.
pub(crate) fn ends_in_a_panic(body: &Group) -> bool {
    let tokens = Vec::from_iter(body.stream());
    let last = match tokens.as_slice() {
        [last @ .., TokenTree::Punct(_)] => last,
        last => last,
    };
    let Some((before, call)) = last.split_last_chunk::<3>() else {
        return false;
    };
    macro_call(call).is_some_and(|(name, _)| is_one_of(name, &PANICS))
        && begins_statement(without_path(before))
}
