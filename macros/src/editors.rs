//! What only editors see, while something is being typed. Rustc has been told what is wrong, and would only complain of it twice.
//!
//! To find out what may stand at the cursor, an editor puts a name there, and expands the code with and without it. It finds the place in the one expansion
//! by what stands in front of it in the other, so that has to be the same in both.

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
