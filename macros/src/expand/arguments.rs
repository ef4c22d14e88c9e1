//! The arguments of a context function: how the signature takes them, and how the frame does.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, FnArg, Pat, PatType, Receiver};

use super::Expansion;
use crate::{
    bindings::{bound_names, name_wilds},
    borrows,
    tokens::contains_word,
};

/// All arguments of one function.
pub(super) struct Arguments {
    pub(super) inputs: Vec<FnArg>,
    /// What the frame begins with. It mentions each argument: one that isn't mentioned would be dropped when the function is called, and one that is
    /// partly used would be captured in part.
    pub(super) bindings: TokenStream,
    /// What mentions them where a stub has no body.
    pub(super) mentions: TokenStream,
}

impl Arguments {
    pub(super) fn new(expansion: &Expansion<'_>) -> Arguments {
        let mut arguments = Arguments {
            inputs: Vec::new(),
            bindings: TokenStream::new(),
            mentions: TokenStream::new(),
        };
        for (position, input) in expansion.function.sig.inputs.iter().enumerate() {
            match input {
                FnArg::Receiver(receiver) => arguments.receiver(expansion, receiver),
                FnArg::Typed(argument) => arguments.typed(expansion, position, argument),
            }
        }
        for owned in expansion.args.own.iter().flatten() {
            let (mutability, name) = (&owned.mutability, &owned.name);
            arguments
                .bindings
                .extend(quote_spanned!(expansion.site=> let #mutability #name = #name;));
        }
        arguments
    }

    fn receiver(&mut self, expansion: &Expansion<'_>, receiver: &Receiver) {
        let this = &receiver.self_token;
        let mention = quote_spanned!(expansion.site=> let _ = &#this;);
        if expansion.args.own.is_none() || borrows::of_receiver(receiver).is_none() {
            self.bindings.extend(mention.clone());
        }
        self.mentions.extend(mention);
        self.inputs.push(FnArg::Receiver(receiver.clone()));
    }

    fn typed(&mut self, expansion: &Expansion<'_>, position: usize, argument: &PatType) {
        let site = expansion.site;
        let owns = expansion.args.own.is_some();
        let simple = match &*argument.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
            _ => None,
        };
        let gone = simple.is_some_and(|name| {
            let body = &expansion.yields.body;
            expansion.args.owns(name)
                || expansion.args.takes(name) && !contains_word(body, &name.to_string())
        });
        if owns && (gone || borrows::of_type(&argument.ty).is_some()) {
            self.inputs.push(FnArg::Typed(argument.clone()));
            self.mentions
                .extend(simple.map(|name| quote_spanned!(site=> let _ = &#name;)));
        } else if owns && simple.is_none() {
            // `own(…)` may use what the pattern binds.
            let mut argument = argument.clone();
            let mut passed_over = 0;
            name_wilds(&mut argument.pat, &mut || {
                passed_over += 1;
                Ident::new(&format!("arg{position}_{passed_over}"), site)
            });
            let names = bound_names(&argument.pat);
            self.inputs.push(FnArg::Typed(argument));
            self.bindings
                .extend(quote_spanned!(site=> #(let _ = &#names;)*));
        } else {
            self.bound_in_the_frame(site, position, argument, simple);
        }
    }

    /// An argument that the signature takes by a name, if only a numbered one, and whose pattern stands in the frame.
    fn bound_in_the_frame(
        &mut self,
        site: Span,
        position: usize,
        argument: &PatType,
        simple: Option<&Ident>,
    ) {
        let numbered = || Ident::new(&format!("arg{position}"), site);
        let name = simple.cloned().unwrap_or_else(numbered);
        let mut input = argument.clone();
        input.attrs.retain(|attr| !attr.path().is_ident("expect"));
        input.pat = Box::new(Pat::Verbatim(name.to_token_stream()));
        self.inputs.push(FnArg::Typed(input));
        let cfg = argument.attrs.iter();
        let cfg = Vec::from_iter(cfg.filter(|attr| attr.path().is_ident("cfg")));
        self.mentions
            .extend(quote_spanned!(site=> #(#cfg)* let _ = &#name;));
        if simple.is_none() {
            // Captured whole: the parts that the pattern leaves out stay with it, as in a plain function.
            self.bindings
                .extend(quote_spanned!(site=> #(#cfg)* let #name = #name;));
        }
        let attrs = argument.attrs.iter().filter(|attr| is_for_bindings(attr));
        let underscore = simple.is_some_and(|name| name.to_string().starts_with('_'));
        // What the user meant to leave unused is used by us.
        let allow = underscore.then(|| {
            quote_spanned!(site=> #[allow(clippy::no_effect_underscore_binding, clippy::used_underscore_binding)])
        });
        self.bindings.extend(match &*argument.pat {
            Pat::Wild(_) => quote_spanned!(site=> #(#attrs)* let _ = &#name;),
            pat => quote_spanned!(site=> #(#attrs)* #allow let #pat = #name;),
        });
    }
}

/// Whether an argument's attribute holds for the binding in the frame too.
fn is_for_bindings(attr: &Attribute) -> bool {
    ["cfg", "allow", "expect", "warn", "deny", "forbid"]
        .iter()
        .any(|name| attr.path().is_ident(name))
}
