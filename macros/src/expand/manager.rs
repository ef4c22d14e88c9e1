//! The context manager: its type, which the function returns, and the call that makes it.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::{Expansion, site_of};
use crate::{args::Policy, borrows, tokens::shown_at};

impl Expansion<'_> {
    /// The type that the function returns. Its `impl` captures lifetimes by the rules of edition 2024, since its token is of our edition,
    /// whatever the caller's; `quote_spanned!` with the user's own span would lose that.
    pub(super) fn manager_type(&self, site: Span, policy: &Policy) -> TokenStream {
        let krate = &self.args.krate(site);
        let resource = self.returns.resource(self.args);
        if let Some(lifetime) = self.lifetime_of_box() {
            return match (self.returns.error(self.args), self.markers(site).is_empty()) {
                (Some(error), true) => {
                    quote_spanned!(site=> #krate::BoxContextManager<#lifetime, #resource, #error>)
                }
                (None, true) => {
                    quote_spanned!(site=> #krate::InfallibleBoxContextManager<#lifetime, #resource>)
                }
                (error, false) => {
                    let kind = self.kind(site, error);
                    quote_spanned!(site=> #krate::BoxedManager<#lifetime, #resource, #kind>)
                }
            };
        }
        let kind = self.kind(site, self.returns.error(self.args));
        let send =
            matches!(policy, Policy::Spawn).then(|| quote_spanned!(site=> + ::core::marker::Send));
        // Except for a resource that borrows all the same, which `validate` has reported.
        let lends = borrows::of_output(&self.function.sig.output).is_some();
        let is_static = policy.is_static() || (self.args.own.is_some() && !lends);
        let is_static = is_static.then(|| quote_spanned!(site=> + 'static));
        let policy = self.policy(site, policy);
        quote_spanned! {site=>
            #krate::ContextManager<impl #krate::AsyncContext<Resource = #resource, Kind = #kind> #send #is_static, #policy>
        }
    }

    /// `None` where there is no box, or the lifetime isn't known.
    fn lifetime_of_box(&self) -> Option<TokenStream> {
        self.args.boxed.as_ref()?;
        borrows::of_box(self.args, &self.function.sig).ok()
    }

    fn kind(&self, site: Span, error: Option<TokenStream>) -> TokenStream {
        // At the error's type, so that rustc points there if that isn't `Debug`.
        let site = site_of(&error, site);
        let krate = &self.args.krate(site);
        let markers = self.markers(site);
        match error {
            Some(error) => quote_spanned!(site=> #krate::kind::Fallible<#error #(, #markers)*>),
            None if markers.is_empty() => quote_spanned!(site=> #krate::kind::Infallible),
            None => quote_spanned!(site=> #krate::kind::Infallible<#(#markers),*>),
        }
    }

    /// The parameters of the kind that differ from their defaults, and those before them.
    fn markers(&self, site: Span) -> Vec<TokenStream> {
        let krate = &self.krate;
        let wrapping = self.args.wrapping.is_some()
            || (self.yields.is_wrapping() && self.args.guard.is_none());
        let suppressing = self.args.suppress.is_some();
        let mut markers = Vec::new();
        if suppressing {
            markers.push(quote_spanned!(site=> #krate::kind::Suppressing));
        } else if wrapping {
            markers.push(quote_spanned!(site=> #krate::kind::Strict));
        }
        if wrapping {
            markers.push(quote_spanned!(site=> #krate::kind::Wrapping));
        }
        markers
    }

    fn policy(&self, site: Span, policy: &Policy) -> TokenStream {
        match policy {
            Policy::Custom(policy) => policy.to_token_stream(),
            policy => {
                let (krate, name) = (&self.krate, Ident::new(self.names(policy).0, site));
                quote_spanned!(site=> #krate::policy::#name)
            }
        }
    }

    /// What the runtime calls a policy, and its function that makes a manager with it.
    fn names(&self, policy: &Policy) -> (&'static str, &'static str) {
        match policy {
            Policy::Spawn if self.args.setup_finish.is_some() => (
                "FinishSetup",
                "setup_finish_needs_a_frame_that_is_send_and_static",
            ),
            Policy::Spawn => (
                "Spawn",
                "on_cancel_spawn_needs_a_frame_that_is_send_and_static",
            ),
            Policy::SpawnLocal => ("SpawnLocal", "on_cancel_spawn_local_needs_a_static_frame"),
            Policy::Block => ("Block", "on_cancel_block"),
            Policy::Drop => ("Drop", "on_cancel_drop"),
            Policy::Custom(_) => ("_", "on_cancel"),
        }
    }

    /// The call that makes the manager of an `async` closure with this block.
    pub(super) fn manager(
        &self,
        policy: &Policy,
        handle: &Ident,
        block: TokenStream,
    ) -> TokenStream {
        let (krate, site) = (&self.krate, self.site);
        let error = self.error_in_body();
        // At the error's type, for the same reason as the kind.
        let path = site_of(&error, site);
        let krate_there = shown_at(self.args.krate(path), path);
        let builder = Ident::new(self.names(policy).1, path);
        let custom = match policy {
            Policy::Custom(policy) => Some(policy),
            _ => None,
        };
        let inferred = custom.map(|_| quote_spanned!(site=> _,));
        let resource = self.resource_in_body();
        let kind = self.kind(site, error);
        let name = self.definition();
        let closure = self.closure(handle, block);
        let arguments = quote_spanned! {site=>
            #name,
            #closure,
        };
        let manager = quote_spanned! {path=>
            #krate_there::__private::#builder::<#inferred #resource, #kind, _>(#arguments)
        };
        let manager = match custom {
            Some(policy) => quote_spanned! {site=>
                #krate::__private::frame_must_satisfy_its_on_cancel_policy::<#policy, _>(#manager)
            },
            None => manager,
        };
        match self.lifetime_of_box() {
            // A function and not a method, of whose bounds rustc would say only that they aren't satisfied.
            Some(_) => {
                quote_spanned!(site=> #krate::__private::boxed_needs_a_frame_that_is_send(#manager))
            }
            None => manager,
        }
    }

    /// What the context is called, and where it is defined. The runtime finds the place by its caller's location, so this call has the spans of
    /// the function's name: what else the macro writes is located at the attribute.
    fn definition(&self) -> TokenStream {
        let ident = &self.function.sig.ident;
        let name = Literal::string(ident.to_string().trim_start_matches("r#"));
        let name = quote_spanned!(ident.span()=> || #name);
        let mut name = Group::new(Delimiter::Parenthesis, name);
        name.set_span(ident.span());
        let krate = shown_at(self.args.krate(ident.span()), ident.span());
        let defined = if self.yields.may_be_polled_by_others() {
            "defined_around_its_body"
        } else {
            "defined"
        };
        let defined = Ident::new(defined, ident.span());
        quote_spanned!(ident.span()=> #krate::__private::#defined #name)
    }
}
