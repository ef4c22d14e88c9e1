//! Attributes beside ours: what they are called, and what they leave of a function where they come first.

use proc_macro2::{Group, TokenTree};
use syn::{Attribute, Signature};

use crate::{
    tokens::{contains, contains_word},
    types::name_of,
};

pub(crate) fn is_named(attr: &Attribute, name: &str) -> bool {
    name_of(attr.path()).is_some_and(|last| last == name)
}

/// Whether what is left of an async function's body is a call of `block_on`, as `#[tokio::test]`, `#[tokio::main]` and their like leave.
pub(crate) fn has_runtime(body: &Group) -> bool {
    let is_called = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word.to_string().contains("block_on"));
    contains(body.stream(), &is_called)
}

/// Whether the function is what `#[async_trait]` makes of a method: where that is above the trait or the `impl`, it ran first.
pub(crate) fn is_rewritten_by_async_trait(sig: &Signature) -> bool {
    sig.asyncness.is_none() && contains_word(sig, "async_trait")
}
