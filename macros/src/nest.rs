//! Contexts one inside the other, around a body: what `async_with!` and `#[within]` write.
//!
//! ```text
//! // One context `db = database()` around BODY:
//! {
//!     let (mut opening, frame) = ::contextlib::__private::Block.open(database());
//!     let frame = ::core::pin::pin!(frame);
//!     let mut session = opening.session(frame);
//!     match session.setup().await {
//!         Ok(resource) => {
//!             let body = ::core::pin::pin!(Some(async {
//!                 let mut resource = resource;
//!                 let db = &mut *resource;
//!                 BODY
//!             }));
//!             let end = session.run(body, MADE).await;
//!             session.returned(end)
//!         }
//!         Err(not_entered) => session.refused(not_entered),
//!     }
//! }
//!
//! // One that borrows a value without a name, `db = database(&url())`: that lives until the end of the `match`.
//! {
//!     let end = match ::contextlib::__private::Block.open(database(&url())) {
//!         (mut opening, frame) => { /* as above */ }
//!     };
//!     end
//! }
//! ```
//!
//! Each level is an `async` block within the one before, which borrows what it needs; a closure in its place wouldn't be `Send` to rustc where a
//! resource borrows. What is in BODY is dropped before its resource moves on. Each future inside another costs the compiler levels of its `recursion_limit`, so
//! the innermost is the user's own block, and not another one around that. (The expansion is of an edition whose blocks drop the temporaries of their last
//! expression first.)

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Token, parse::ParseStream};

use crate::{
    context::Context,
    temporaries::borrows_a_temporary,
    tokens::{shown_at, site_at, start},
};

/// What the contexts are written around. It decides what becomes of a context's own error, and of the value that is missing after a suppressed one.
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
    /// The session's methods for a body that has returned, and for a setup that hasn't reached its body.
    fn ends(self) -> (&'static str, &'static str) {
        match self {
            Around::Block => ("returned", "refused"),
            Around::Fallible => ("returned_whole", "refused_whole"),
            Around::Infallible => ("returned_or_panic", "refused_or_panic"),
        }
    }
}

/// What the body's error may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ErrorIs {
    /// `Send`, so that the teardown sees the error itself.
    #[default]
    Send,
    /// Anything: the teardown sees its text.
    Local,
}

impl ErrorIs {
    /// The session's method that runs such a body.
    fn run(self) -> &'static str {
        match self {
            ErrorIs::Send => "run",
            ErrorIs::Local => "run_local",
        }
    }

    /// `?Send`, as one of the macro's arguments. `None` if there is something else.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Option<Self>> {
        if !input.peek(Token![?]) {
            return Ok(None);
        }
        let question = input.parse::<Token![?]>()?;
        match input.parse::<Ident>() {
            Ok(word) if word == "Send" => Ok(Some(ErrorIs::Local)),
            Ok(word) => Err(syn::Error::new_spanned(word, ONLY_SEND)),
            Err(_) => Err(syn::Error::new_spanned(question, ONLY_SEND)),
        }
    }
}

const ONLY_SEND: &str = "expected `?Send`, for a body whose error isn't `Send`";

/// What an `async` block has in it.
pub(crate) struct AsyncBlock {
    /// The user's `async` or `async move`, if there is one.
    pub(crate) word: Option<TokenStream>,
    /// Its statements.
    pub(crate) content: TokenStream,
    /// A function that makes a `Result` of what it returns.
    pub(crate) made: TokenStream,
}

/// Puts `body` inside `contexts`, the first of which is the outermost: an expression in an `async` block.
pub(crate) fn nest(
    krate: &TokenStream,
    contexts: &[Context],
    body: AsyncBlock,
    around: Around,
    error: ErrorIs,
) -> TokenStream {
    let nested = contexts.iter().rev().fold(body, |body, context| {
        let site = site(context);
        AsyncBlock {
            word: None,
            content: enter(krate, context, &body, around, error),
            made: quote_spanned!(site=> ::core::convert::identity),
        }
    });
    nested.content
}

/// Hygiene of our own, shown where a context stands.
fn site(Context { name, expression }: &Context) -> Span {
    site_at(start(&quote!(#name #expression)))
}

/// One context around a block.
fn enter(
    krate: &TokenStream,
    context: &Context,
    body: &AsyncBlock,
    around: Around,
    error: ErrorIs,
) -> TokenStream {
    let site = site(context);
    let Context { name, expression } = context;
    let open = open(&shown_at(krate.clone(), site), site, expression);
    let binding = name
        .as_ref()
        .map(|name| quote_spanned!(site=> let #name = &mut *resource;));
    let AsyncBlock {
        word,
        content,
        made,
    } = body;
    let word = word.clone().unwrap_or_else(|| quote_spanned!(site=> async));
    let (returned, refused) = around.ends();
    let (returned, refused) = (Ident::new(returned, site), Ident::new(refused, site));
    let run = Ident::new(error.run(), site);
    let entered = quote_spanned! {site=>
        let frame = ::core::pin::pin!(frame);
        let mut session = opening.session(frame);
        match session.setup().await {
            ::core::result::Result::Ok(resource) => {
                let body = ::core::pin::pin!(::core::option::Option::Some(#word {
                    let mut resource = resource;
                    #binding
                    #content
                }));
                let end = session.#run(body, #made).await;
                session.#returned(end)
            }
            ::core::result::Result::Err(not_entered) => session.#refused(not_entered),
        }
    };
    // Not for every context: this would hold a lock that is taken only to make an argument, as in `context(cell.borrow().clone())`.
    if borrows_a_temporary(expression.clone()) {
        quote_spanned! {site=>
            {
                let end = match #open {
                    (mut opening, frame) => { #entered }
                };
                end
            }
        }
    } else {
        quote_spanned! {site=>
            {
                let (mut opening, frame) = #open;
                #entered
            }
        }
    }
}

/// A call, for whose caller the context stands where the user has written it: of a call that is the macro's as a whole, the caller is where the macro is used, for all contexts alike.
fn open(krate: &TokenStream, site: Span, expression: &TokenStream) -> TokenStream {
    let place = start(expression);
    let open = Ident::new("open", place);
    let mut arguments = Group::new(Delimiter::Parenthesis, expression.clone());
    arguments.set_span(place);
    quote_spanned!(site=> #krate::__private::Block.#open #arguments)
}
