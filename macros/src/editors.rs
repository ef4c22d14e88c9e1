//! What only editors see, while something is being typed: rustc has been told what is wrong, and would complain of it twice.
//!
//! An editor asks what may stand somewhere by putting a name there, and looks for the place in what has come of the code without that name: what stands in
//! front of it has to be the same with and without.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;

use crate::tokens::is_punct;

/// Statements that rustc doesn't even parse.
pub(crate) fn shown(krate: &TokenStream, site: Span, statements: &TokenStream) -> TokenStream {
    quote_spanned!(site=> { #krate::__for_editors! { #statements } })
}

/// The names and the expressions among the arguments of an `async_with!` with a mistake.
pub(crate) fn statements(arguments: TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let tokens = Vec::from_iter(arguments);
    let statements = tokens
        .split(|token| is_punct(token, ','))
        .map(|argument| match argument {
            [TokenTree::Ident(name), equals, context @ ..] if is_punct(equals, '=') => {
                quote_spanned!(site=> let #name = #(#context)*;)
            }
            argument => quote_spanned!(site=> let _ = { #(#argument)* };),
        });
    statements.collect()
}
