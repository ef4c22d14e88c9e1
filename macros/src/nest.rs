//! Contexts one inside the other, around a body: what `async_with!` and `#[within]` write.
//!
//! ```text
//! // One context `db = database()` around BODY:
//! {
//!     let (mut opening, frame) = ::contextlib::__private::open(database());
//!     let frame = ::core::pin::pin!(frame);
//!     let mut session = opening.session(frame);
//!     match session.setup().await {
//!         Ok(resource) => {
//!             let body = ::core::pin::pin!(Some(async {
//!                 let mut resource = resource;
//!                 let body = ::core::pin::pin!(Some(async {
//!                     let db = &mut *resource;
//!                     BODY
//!                 }));
//!                 ::contextlib::__private::caught(body).await
//!             }));
//!             let end = session.run(body).await;
//!             session.returned(end)
//!         }
//!         Err(not_entered) => session.refused(not_entered),
//!     }
//! }
//!
//! // One that borrows a value without a name, `db = database(&url())`: that lives until the end of the `match`.
//! {
//!     let end = match ::contextlib::__private::open(database(&url())) {
//!         (mut opening, frame) => { /* as above */ }
//!     };
//!     end
//! }
//! ```
//!
//! Each level is an `async` block within the one before, which borrows what it needs; a closure in its place wouldn't be `Send` to rustc where a
//! resource borrows. The inner block is over, and dropped, before the resource moves on.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use crate::{
    context::Context,
    temporaries::borrows_a_temporary,
    tokens::{shown_at, start},
};

/// What the whole is: this decides what becomes of a context's own error, and of a value that a suppressing context has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// A block: an error is converted to the body's error type; a value that may be missing is an `Option`.
    Block,
    /// A function that returns a `Result`: likewise, but a missing value has to have a stand-in, such as `()`.
    Fallible,
    /// A function that returns a plain value: an error is a panic that names the context.
    Infallible,
}

impl Around {
    /// The session's methods for a body that has returned, and for a setup that hasn't come to its body.
    fn ends(self) -> (&'static str, &'static str) {
        match self {
            Around::Block => ("returned", "refused"),
            Around::Fallible => ("returned_whole", "refused_whole"),
            Around::Infallible => ("returned_or_panic", "refused_or_panic"),
        }
    }
}

/// Puts `body`, an expression in an `async` block, inside of `contexts`, the first of which is the outermost.
pub(crate) fn nest(
    krate: &TokenStream,
    contexts: &[Context],
    body: TokenStream,
    whole: Around,
) -> TokenStream {
    contexts
        .iter()
        .rev()
        .fold(body, |body, context| around(krate, context, &body, whole))
}

fn around(
    krate: &TokenStream,
    context: &Context,
    body: &TokenStream,
    whole: Around,
) -> TokenStream {
    let Context { name, context } = context;
    let shown = start(&quote!(#name #context));
    let site = Span::mixed_site().located_at(shown);
    let krate = shown_at(krate.clone(), shown);
    let binding = name
        .as_ref()
        .map(|name| quote_spanned!(site=> let #name = &mut *resource;));
    let (returned, refused) = whole.ends();
    let (returned, refused) = (Ident::new(returned, site), Ident::new(refused, site));
    let entered = quote_spanned! {site=>
        let frame = ::core::pin::pin!(frame);
        let mut session = opening.session(frame);
        match session.setup().await {
            ::core::result::Result::Ok(resource) => {
                let body = ::core::pin::pin!(::core::option::Option::Some(async {
                    let mut resource = resource;
                    let body = ::core::pin::pin!(::core::option::Option::Some(async {
                        #binding
                        #body
                    }));
                    #krate::__private::caught(body).await
                }));
                let end = session.run(body).await;
                session.#returned(end)
            }
            ::core::result::Result::Err(not_entered) => session.#refused(not_entered),
        }
    };
    // Not for every context: it would hold a lock that is taken for an argument, as in `context(cell.borrow().clone())`.
    if borrows_a_temporary(context.clone()) {
        quote_spanned! {site=>
            {
                let end = match #krate::__private::open(#context) {
                    (mut opening, frame) => { #entered }
                };
                end
            }
        }
    } else {
        quote_spanned! {site=>
            {
                let (mut opening, frame) = #krate::__private::open(#context);
                #entered
            }
        }
    }
}
