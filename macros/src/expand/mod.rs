//! What the attribute writes: the function that makes the context manager.
//!
//! ```text
//! // Input
//! #[async_context]
//! async fn transaction(mut pool: SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
//!     let mut tx = pool.begin().await?;
//!     if yield_resource!(tx).is_completed() { tx.commit().await?; }
//! }
//!
//! // Output
//! fn transaction(pool: SqlitePool) -> ::contextlib::ContextManager<
//!     impl ::contextlib::AsyncContext<
//!         Resource = Transaction<'static, Sqlite>,
//!         Kind = ::contextlib::kind::Fallible<sqlx::Error>,
//!     > + ::core::marker::Send + 'static,
//!     ::contextlib::policy::Spawn,
//! > {
//!     ::contextlib::__private::on_cancel_spawn_needs_a_frame_that_is_send_and_static::<
//!         Transaction<'static, Sqlite>, ::contextlib::kind::Fallible<sqlx::Error>, _,
//!     >(
//!         "transaction",
//!         async move |yield_resource: ::contextlib::YieldOnce<'_, _, _>| -> ::core::result::Result<(), sqlx::Error> {
//!             let yield_resource: ::contextlib::YieldOnce<'_, Transaction<'static, Sqlite>> = yield_resource;
//!             let mut pool = pool;
//!             let end = {
//!                 let mut tx = pool.begin().await?;
//!                 if yield_resource!(@place yield_resource, tx).is_completed() { tx.commit().await?; }
//!             };
//!             #[allow(unreachable_code)]
//!             ::contextlib::__private::Tail::<sqlx::Error>::end(end)
//!         },
//!     )
//! }
//! ```

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{FnArg, ReturnType, Signature, Type};

use crate::{
    args::{Args, Policy},
    block::allow_braces,
    borrows, editors,
    error::Errors,
    function::Function,
    returns::Returns,
    tokens::{contains_word, first_token, shown_at, start},
    types::contains_impl,
    validate,
    yields::{Fixed, HANDLE, Yields},
};

mod arguments;
#[cfg(test)]
mod tests;

use arguments::Arguments;

/// The whole of `#[async_context]`.
pub(crate) fn async_context(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => return validate::not_a_function(&item, error, errors),
    };
    let refused = validate::rewritten_by_async_trait(&function, &mut errors)
        .or_else(|| validate::main(&function, &mut errors));
    if let Some(refused) = refused {
        return errors.before(refused);
    }
    let returns = Returns::new(&function.sig.output, &args);
    let yields = match &function.body {
        Some(body) => {
            let fixed = Fixed::of(&function, &args, &body.stream());
            Yields::find(body.stream(), fixed)
        }
        None => Yields::default(),
    };
    let stub = validate::check(&args, &function, &returns, &yields, &mut errors);
    let returns = if stub.returns {
        returns
    } else {
        Returns::unit()
    };
    let expansion = Expansion::new(&args, &function, &returns, &yields);
    if errors.is_empty() {
        return expansion.function();
    }
    errors.before(expansion.stub(stub))
}

/// What a function with a mistake keeps, so that its callers have none to suffer from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stub {
    /// False where the body would bring follow-up errors.
    pub(crate) body: bool,
    /// False where the frame isn't what the policy asks for.
    pub(crate) policy: bool,
    /// False where the return type is a manager's, which is no resource's.
    pub(crate) returns: bool,
}

struct Expansion<'f> {
    args: &'f Args,
    function: &'f Function,
    returns: &'f Returns,
    yields: &'f Yields,
    krate: TokenStream,
    /// Hygiene of our own, shown at the function's name.
    site: Span,
}

impl<'f> Expansion<'f> {
    fn new(
        args: &'f Args,
        function: &'f Function,
        returns: &'f Returns,
        yields: &'f Yields,
    ) -> Expansion<'f> {
        let site = Span::mixed_site().located_at(function.sig.ident.span());
        Expansion {
            args,
            function,
            returns,
            yields,
            krate: args.krate(site),
            site,
        }
    }

    fn function(&self) -> TokenStream {
        let policy = &self.args.on_cancel;
        let Some(body) = &self.function.body else {
            return self.declaration();
        };
        let Function { attrs, vis, .. } = self.function;
        let Arguments {
            inputs, bindings, ..
        } = Arguments::new(self);
        let sig = self.signature(inputs, policy);
        let owned = self.owned();
        let block = self.block(body, bindings);
        let manager = self.manager(policy, &Ident::new(HANDLE, self.site), block);
        quote_spanned! {self.site=>
            #(#attrs)*
            #vis #sig {
                #owned
                #manager
            }
        }
    }

    /// A method that a trait declares.
    fn declaration(&self) -> TokenStream {
        let Function {
            attrs, vis, sig, ..
        } = self.function;
        let sig = self.signature(sig.inputs.iter().cloned().collect(), &self.args.on_cancel);
        quote_spanned!(self.site=> #(#attrs)* #vis #sig;)
    }

    /// What is left of a function whose mistakes have been reported.
    fn stub(&self, stub: Stub) -> TokenStream {
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
        // Or the import would be unused.
        let imported = self
            .yields
            .points
            .iter()
            .find_map(|point| point.imported.as_ref());
        let imported = imported.map(|name| quote_spanned!(self.site=> #name!(@mention);));
        let manager = self.manager(policy, &Ident::new("_", self.site), nothing);
        quote_spanned! {self.site=>
            #(#attrs)*
            #vis #sig {
                #rest
                #imported
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
}

// The parts.
impl Expansion<'_> {
    /// The signature as written, but for its arguments and what it returns.
    fn signature(&self, inputs: Vec<FnArg>, policy: &Policy) -> Signature {
        let site = self.output_site();
        let manager = self.manager_type(site, policy);
        Signature {
            asyncness: None,
            constness: None,
            safety: syn::Safety::Default,
            abi: None,
            variadic: None,
            inputs: inputs.into_iter().collect(),
            output: ReturnType::Type(syn::Token![->](site), Box::new(Type::Verbatim(manager))),
            ..self.function.sig.clone()
        }
    }

    /// Hygiene of our own, shown at the return type.
    fn output_site(&self) -> Span {
        match &self.function.sig.output {
            ReturnType::Default => self.site,
            ReturnType::Type(_, ty) => site_of(ty, self.site),
        }
    }

    /// The type that the function returns. Its `impl` captures lifetimes by the rules of edition 2024, since its token is of our edition,
    /// whatever the caller's; `quote_spanned!` with the user's own span would lose that.
    fn manager_type(&self, site: Span, policy: &Policy) -> TokenStream {
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
        // But for a resource that borrows all the same, of which `validate` has complained.
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

    fn policy(&self, site: Span, policy: &Policy) -> TokenStream {
        let krate = &self.krate;
        match policy {
            Policy::Spawn if self.args.setup_finish.is_some() => {
                quote_spanned!(site=> #krate::policy::FinishSetup)
            }
            Policy::Spawn => quote_spanned!(site=> #krate::policy::Spawn),
            Policy::SpawnLocal => quote_spanned!(site=> #krate::policy::SpawnLocal),
            Policy::Block => quote_spanned!(site=> #krate::policy::Block),
            Policy::Drop => quote_spanned!(site=> #krate::policy::Drop),
            Policy::Custom(policy) => policy.to_token_stream(),
        }
    }

    /// Of the marker's parameters those that differ from their defaults, and those before them.
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

    fn kind(&self, site: Span, error: Option<TokenStream>) -> TokenStream {
        // Shown at the error's type, so that an error that isn't `Debug` is.
        let site = site_of(&error, site);
        let krate = &self.args.krate(site);
        let markers = self.markers(site);
        match error {
            Some(error) => quote_spanned!(site=> #krate::kind::Fallible<#error #(, #markers)*>),
            None if markers.is_empty() => quote_spanned!(site=> #krate::kind::Infallible),
            None => quote_spanned!(site=> #krate::kind::Infallible<#(#markers),*>),
        }
    }

    /// The values of `own(…)`, made while the function is called.
    fn owned(&self) -> TokenStream {
        let owned = self.args.own.iter().flatten().map(|owned| {
            let (name, value) = (&owned.name, &owned.value);
            quote_spanned!(self.site=> let #name = #value;)
        });
        owned.collect()
    }

    /// The call that makes the manager of an `async` closure with this block.
    fn manager(&self, policy: &Policy, handle: &Ident, block: TokenStream) -> TokenStream {
        let (krate, site) = (&self.krate, self.site);
        let error = self.error_in_body();
        // Shown at the error's type, for the same reason as the kind.
        let path = site_of(&error, site);
        let krate_there = shown_at(self.args.krate(path), path);
        let builder = Ident::new(self.builder(policy), path);
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
            // A function, since of the bounds of a method rustc says only that they aren't satisfied.
            Some(_) => {
                quote_spanned!(site=> #krate::__private::boxed_needs_a_frame_that_is_send(#manager))
            }
            None => manager,
        }
    }

    /// The function of the runtime that makes a manager with this policy.
    fn builder(&self, policy: &Policy) -> &'static str {
        match policy {
            Policy::Spawn if self.args.setup_finish.is_some() => {
                "setup_finish_needs_a_frame_that_is_send_and_static"
            }
            Policy::Spawn => "on_cancel_spawn_needs_a_frame_that_is_send_and_static",
            Policy::SpawnLocal => "on_cancel_spawn_local_needs_a_static_frame",
            Policy::Block => "on_cancel_block",
            Policy::Drop => "on_cancel_drop",
            Policy::Custom(_) => "on_cancel",
        }
    }

    /// What the context is called and where it stands: the caller of this, which has to be code of the user's own for that. What the macro
    /// writes stands at the attribute.
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

    /// What makes the frame's own future.
    fn closure(&self, handle: &Ident, block: TokenStream) -> TokenStream {
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

    /// Before a body that returns early: a `return` that is never taken, so that rustc knows what the others have to return. What an `async`
    /// closure declares to return it compares only in the end, and doesn't coerce to.
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

    fn error_in_body(&self) -> Option<TokenStream> {
        let error = self.returns.error(self.args);
        error.map(|error| nameable(error, self.site))
    }

    fn resource_in_body(&self) -> TokenStream {
        nameable(self.returns.resource(self.args), self.output_site())
    }

    /// The user's body, with its yields, behind the bindings of the arguments.
    fn block(&self, body: &Group, bindings: TokenStream) -> TokenStream {
        let (krate, site) = (&self.krate, self.site);
        // Says what the resource is coerced to. Not at the closure's parameter: there an elided lifetime would be any lifetime.
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
        let tokens = &self.yields.body;
        let braces = self.yields.in_braces(body);
        let is_sketch = validate::ends_in_a_panic(body);
        // Without either it is for editors, see `stub`.
        let is_compiled = is_sketch || !self.yields.points.is_empty();
        let allow = is_compiled.then(|| allow_braces(body, site)).flatten();
        let diverges =
            is_sketch.then(|| quote_spanned!(site=> #[allow(clippy::diverging_sub_expression)]));
        let allow = quote_spanned!(site=> #allow #diverges);
        match self.returns {
            Returns::Plain(_) => quote_spanned!(site=> { #bindings #allow let (): () = #braces; }),
            Returns::Result { .. } | Returns::Alias(_) => {
                // Where it is of a wrong type, the last token is shown. Not in front of the body: an editor puts a token behind a `.` at its end,
                // and looks for it where it stands without.
                let last = tokens
                    .clone()
                    .into_iter()
                    .last()
                    .map_or(site, |last| Span::mixed_site().located_at(last.span()));
                let (end, shown_end) = (Ident::new("end", site), Ident::new("end", last));
                let error = self.error_in_body();
                // A body that never ends makes what follows unreachable: the other `allow` is on that alone.
                quote_spanned! {site=> {
                    #bindings
                    #allow
                    let #end = #braces;
                    #[allow(unreachable_code)]
                    #krate::__private::Tail::<#error>::end(#shown_end)
                }}
            }
        }
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

/// Hygiene of our own, shown where the tokens begin; at `otherwise` if there are none.
fn site_of(tokens: &impl ToTokens, otherwise: Span) -> Span {
    first_token(tokens).map_or(otherwise, |token| {
        Span::mixed_site().located_at(token.span())
    })
}
