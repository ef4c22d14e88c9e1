//! What a function with a mistake leaves in its place, so that the mistake is the only one that its author hears of.

use proc_macro2::{Group, Ident, TokenStream};
use quote::quote_spanned;

use super::{Arguments, Expansion};
use crate::{args::Policy, borrows, editors, function::Function, validate, yields::HANDLE};

/// What a function with a mistake keeps, so that its callers don't suffer from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stub {
    /// False where the body would bring follow-up errors.
    pub(crate) body: bool,
    /// False where the frame isn't what the policy asks for.
    pub(crate) policy: bool,
    /// False where the return type is a manager's, and so can't be a resource's.
    pub(crate) returns: bool,
}

impl Expansion<'_> {
    /// What is left of a function whose mistakes have been reported.
    pub(super) fn stub(&self, stub: Stub) -> TokenStream {
        let body = match &self.function.body {
            Some(body) if !(stub.body && stub.policy) => body,
            _ => return self.function(),
        };
        let Function { attrs, vis, .. } = self.function;
        let attrs = attrs.iter().filter(|attr| !validate::is_misplaced(attr));
        // A frame that holds nothing fits any policy, unless its resource doesn't.
        let fits = stub.policy || borrows::of_output(&self.function.sig.output).is_none();
        let policy = if fits {
            &self.args.on_cancel
        } else {
            &Policy::Drop
        };
        let Arguments {
            inputs,
            bindings,
            mentions,
        } = Arguments::new(self);
        let sig = self.signature(inputs, policy);
        let beside = self.beside(body, bindings);
        let rest = if stub.body && fits {
            beside
        } else {
            // Not for rustc, but for editors: a body without a yield is one that is being typed.
            let shown = editors::shown(&self.krate, self.site, &beside);
            quote_spanned!(self.site=> #mentions #shown)
        };
        let nothing = quote_spanned!(self.site=> { ::core::unreachable!() });
        let mention = self.mention_of_import();
        let manager = self.manager(policy, &Ident::new("_", self.site), nothing);
        quote_spanned! {self.site=>
            #(#attrs)*
            #vis #sig {
                #rest
                #mention
                #manager
            }
        }
    }

    /// A body that doesn't fit the policy, for rustc and editors to look at: beside a frame that does.
    fn beside(&self, body: &Group, bindings: TokenStream) -> TokenStream {
        let owned = self.owned();
        let closure = self.closure(&Ident::new(HANDLE, self.site), self.block(body, bindings));
        quote_spanned! {self.site=>
            #owned
            let _ = #closure;
        }
    }

    /// Or the import of `yield_resource!` would be unused.
    fn mention_of_import(&self) -> Option<TokenStream> {
        let mut points = self.yields.points.iter();
        let imported = points.find_map(|point| point.imported.as_ref());
        imported.map(|name| quote_spanned!(self.site=> #name!(@mention);))
    }
}
