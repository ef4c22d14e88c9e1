//! Contexts one inside the other, around a body: what `async_with!` and `#[within]` write.
//!
//! ```text
//! // One context `db = database()` around BODY:
//! {
//!     let (opening, frame) = ::contextlib::__private::open(database());
//!     let frame = ::core::pin::pin!(frame);
//!     let home = ::contextlib::__private::Home::new();
//!     let mut session = opening.session(frame, &home);
//!     match session.setup().await {
//!         Ok(resource) => {
//!             let body = ::core::pin::pin!(Some(async {
//!                 let mut resource = resource;
//!                 let returned = {
//!                     let mut body = ::core::pin::pin!(Some(async {
//!                         let db = &mut *resource;
//!                         BODY
//!                     }));
//!                     ::contextlib::__private::caught(body).await
//!                 };
//!                 (resource, returned)
//!             }));
//!             let end = session.run(body, ::contextlib::__private::local).await;
//!             session.returned(end).await
//!         }
//!         Err(error) => session.refused(error),
//!     }
//! }
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

/// A context of the nest.
pub(crate) struct Context {
    /// What the body calls the resource; `None` if it has no use for it.
    pub(crate) name: Option<Ident>,
    pub(crate) context: TokenStream,
}

/// What becomes of a context's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raise {
    /// The body returns a `Result`; the error is converted to its error type.
    Error,
    /// The body returns a plain value; the error is a panic that names the context.
    Panic,
}

/// Puts `body`, an expression in an `async` block, inside of `contexts`, the first of which is the outermost.
pub(crate) fn nest(
    krate: &TokenStream,
    contexts: &[Context],
    body: TokenStream,
    raise: Raise,
) -> TokenStream {
    contexts
        .iter()
        .rev()
        .fold(body, |body, context| around(krate, context, body, raise))
}

fn around(krate: &TokenStream, context: &Context, body: TokenStream, raise: Raise) -> TokenStream {
    let Context { name, context } = context;
    let shown = name
        .to_token_stream()
        .into_iter()
        .chain(context.clone())
        .next();
    let site =
        Span::mixed_site().located_at(shown.map_or_else(Span::mixed_site, |token| token.span()));
    let binding = name
        .as_ref()
        .map(|name| quote_spanned!(site=> let #name = &mut *resource;));
    let (returned, refused) = match raise {
        Raise::Error => (
            quote_spanned!(site=> returned),
            quote_spanned!(site=> refused),
        ),
        Raise::Panic => (
            quote_spanned!(site=> returned_or_panic),
            quote_spanned!(site=> refused_or_panic),
        ),
    };
    quote_spanned! {site=>
        {
            let (opening, frame) = #krate::__private::open(#context);
            let frame = ::core::pin::pin!(frame);
            let home = #krate::__private::Home::new();
            let mut session = opening.session(frame, &home);
            match session.setup().await {
                ::core::result::Result::Ok(resource) => {
                    let body = ::core::pin::pin!(::core::option::Option::Some(async {
                        let mut resource = resource;
                        let returned = {
                            let body = ::core::pin::pin!(::core::option::Option::Some(async {
                                #binding
                                #body
                            }));
                            #krate::__private::caught(body).await
                        };
                        (resource, returned)
                    }));
                    let end = session.run(body, #krate::__private::local).await;
                    session.#returned(end).await
                }
                ::core::result::Result::Err(error) => session.#refused(error),
            }
        }
    }
}
