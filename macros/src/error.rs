//! Errors, gathered so that all of them are shown, each at the smallest of the user's tokens that is wrong.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ExprLet;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Notes a mistake in `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    /// Notes the mistake, if there is one; false if so.
    pub(crate) fn check(&mut self, mistake: Option<syn::Error>) -> bool {
        let is_right = mistake.is_none();
        mistake.into_iter().for_each(|error| self.add(error));
        is_right
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each mistake, valid wherever an item is, and then the item.
    pub(crate) fn before(self, item: impl ToTokens) -> TokenStream {
        let errors = self.0.map(syn::Error::into_compile_error);
        quote!(#errors #item)
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0
            .into_iter()
            .flatten()
            .map(|error| error.to_string())
            .collect()
    }
}

/// An expression or a type, roughly as its author wrote it, for messages that say what to write.
pub(crate) fn written(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, as_written) in [
        (" . ", "."),
        (" :: ", "::"),
        (" (", "("),
        (" [", "["),
        (" ?", "?"),
        (" ,", ","),
        (" !", "!"),
        ("& ", "&"),
        ("( ", "("),
        (" )", ")"),
        (" < ", "<"),
        (" >", ">"),
    ] {
        text = text.replace(spaced, as_written);
    }
    text
}

/// The error for `let name = value` where no `let` stands.
pub(crate) fn without_let(binding: &ExprLet) -> syn::Error {
    let (name, value) = (written(&binding.pat), written(&binding.expr));
    let message = format!("write `{name} = {value}`, without `let`");
    syn::Error::new_spanned(binding.let_token, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_shown_as_written() {
        let shown = |text: &str| written(text.parse::<TokenStream>().expect("tokens"));
        for text in [
            "self.pool.clone()",
            "database(&url)",
            "vec![1, 2]",
            "a::b(c?)",
            "&db",
            "Opened<Vec<u8>>",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
