//! What the tests ask of a context function: which mistakes are found in it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, Item};

use crate::expand::async_context;

/// The messages, in order; what else the attribute writes must be Rust.
pub(crate) fn messages(args: TokenStream, item: TokenStream) -> Vec<String> {
    let file: File = syn::parse2(async_context(args, quote!(#item))).expect("a stub is Rust");
    let errors = file.items.iter().filter_map(|item| match item {
        Item::Macro(call) => Some(
            syn::parse2::<syn::LitStr>(call.mac.tokens.clone())
                .unwrap()
                .value(),
        ),
        _ => None,
    });
    errors.collect()
}

/// What is said of a context function with one mistake; in the brackets stand the arguments of the attribute.
macro_rules! wrong {
    ([$($args:tt)*] $($item:tt)*) => {{
        let messages = $crate::testing::messages(quote::quote!($($args)*), quote::quote!($($item)*));
        assert_eq!(messages.len(), 1, "{messages:#?}");
        messages.into_iter().next().unwrap()
    }};
}

/// Nothing is said of this one.
macro_rules! right {
    ([$($args:tt)*] $($item:tt)*) => {
        assert_eq!($crate::testing::messages(quote::quote!($($args)*), quote::quote!($($item)*)), [""; 0])
    };
}

/// What is said of a body with one mistake.
macro_rules! body {
    ($($body:tt)*) => { $crate::testing::wrong!([] async fn f() -> Result<Tx, Error> { $($body)* }) };
}

/// Nothing is said of this one.
macro_rules! right_body {
    ($($body:tt)*) => { $crate::testing::right!([] async fn f() -> Result<Tx, Error> { $($body)* }) };
}

pub(crate) use {body, right, right_body, wrong};
