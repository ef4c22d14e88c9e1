//! The frame: the `async` closure around the user's body.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::quote_spanned;

use super::Expansion;
use crate::{
    block::{allow_braces, ends_in_a_panic},
    returns::Returns,
    tokens::{contains_word, site_at, start},
    types::contains_impl,
    yields::HANDLE,
};

impl Expansion<'_> {
    /// What makes the frame's own future.
    pub(super) fn closure(&self, handle: &Ident, block: TokenStream) -> TokenStream {
        let (krate, ends) = (&self.krate, self.ends());
        quote_spanned!(self.site=> async move |#handle: #krate::YieldOnce<'_, _, _>| -> #ends #block)
    }

    /// What the frame's own future returns.
    fn ends(&self) -> TokenStream {
        match self.returns {
            Returns::Plain(_) => quote_spanned!(self.site=> ()),
            Returns::Result { .. } => {
                let error = self.error_in_body();
                quote_spanned!(self.site=> ::core::result::Result<(), #error>)
            }
            Returns::Alias(ty) => {
                // All of it at the type: of one that is no `Result`, rustc then says so once.
                let at = start(ty);
                let krate = self.args.krate(at);
                quote_spanned!(at=> #krate::__private::Ends<#ty>)
            }
        }
    }

    /// The user's body, with its yields, behind the bindings of the arguments.
    pub(super) fn block(&self, body: &Group, bindings: TokenStream) -> TokenStream {
        let (krate, site) = (&self.krate, self.site);
        // Says what the resource is coerced to. Not at the closure's parameter, where an elided lifetime would stand for any lifetime.
        let handle = Ident::new(HANDLE, site);
        let resource = self.resource_in_body();
        let suppression = self
            .args
            .suppress
            .as_ref()
            .map(|_| quote_spanned!(site=> , #krate::kind::Suppressing));
        let returning = self.returning();
        let bindings = quote_spanned! {site=>
            let #handle: #krate::YieldOnce<'_, #resource #suppression> = #handle;
            #bindings
            #returning
        };
        let braces = self.yields.in_braces(body);
        let allow = self.allow(body);
        match self.returns {
            Returns::Plain(_) => quote_spanned!(site=> { #bindings #allow let (): () = #braces; }),
            Returns::Result { .. } | Returns::Alias(_) => {
                let end = Ident::new("end", site);
                let tail = self.tail();
                // A body that never ends makes what follows unreachable. The other `allow` is for the `let` alone.
                quote_spanned! {site=> {
                    #bindings
                    #allow
                    let #end = #braces;
                    #[allow(unreachable_code)]
                    #tail
                }}
            }
        }
    }

    /// Silences what rustc and clippy would say of the user's braces, which here stand behind a `=`.
    fn allow(&self, body: &Group) -> TokenStream {
        let site = self.site;
        let is_sketch = ends_in_a_panic(body);
        // A body with neither is only for editors, see `stub`.
        let is_compiled = is_sketch || !self.yields.points.is_empty();
        let braces = is_compiled.then(|| allow_braces(body, site)).flatten();
        let diverges =
            is_sketch.then(|| quote_spanned!(site=> #[allow(clippy::diverging_sub_expression)]));
        quote_spanned!(site=> #braces #diverges)
    }

    /// In front of a body that returns early: a `return` that is never taken, so that rustc knows the type that the others have to return. With the
    /// declared return type of an `async` closure it compares them only in the end, and coerces nothing to it.
    fn returning(&self) -> Option<TokenStream> {
        if !contains_word(&self.yields.body, "return") {
            return None;
        }
        let ends = self.ends();
        let value = match self.returns {
            Returns::Plain(_) => TokenStream::new(),
            _ => quote_spanned!(self.site=> <#ends>::Ok(())),
        };
        Some(quote_spanned!(self.site=> if false { return #value; }))
    }

    /// Makes what the frame returns of what the body ends in.
    fn tail(&self) -> TokenStream {
        let (krate, site) = (&self.krate, self.site);
        // If it is of the wrong type, rustc points at the body's last token. Only this `end` has the span of that: what stands in front of the body
        // must not depend on what is typed at its end, see `editors`.
        let last = self.yields.body.clone().into_iter().last();
        let last = last.map_or(site, |last| site_at(last.span()));
        let end = Ident::new("end", last);
        let error = self.error_in_body();
        quote_spanned!(site=> #krate::__private::Tail::<#error>::end(#end))
    }

    pub(super) fn error_in_body(&self) -> Option<TokenStream> {
        let error = self.returns.error(self.args);
        error.map(|error| nameable(error, self.site))
    }

    pub(super) fn resource_in_body(&self) -> TokenStream {
        nameable(self.returns.resource(self.args), self.output_site())
    }
}

/// `impl Trait` has no name in the body.
fn nameable(ty: TokenStream, site: Span) -> TokenStream {
    if contains_impl(&ty) {
        quote_spanned!(site=> _)
    } else {
        ty
    }
}
