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

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{FnArg, ReturnType, Signature, Type};

use crate::{
    args::{Args, Policy},
    error::Errors,
    function::Function,
    returns::Returns,
    tokens::{first_token, site_at},
    validate,
    yields::{Fixed, HANDLE, Yields},
};

mod arguments;
mod frame;
mod manager;
mod stub;
#[cfg(test)]
mod tests;

use arguments::Arguments;
pub(crate) use stub::Stub;

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
        let site = site_at(function.sig.ident.span());
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

    /// The values of `own(…)`, made while the function is called.
    fn owned(&self) -> TokenStream {
        let owned = self.args.own.iter().flatten().map(|owned| {
            let (name, value) = (&owned.name, &owned.value);
            quote_spanned!(self.site=> let #name = #value;)
        });
        owned.collect()
    }
}

/// Where the tokens begin; `otherwise` if there are none.
fn site_of(tokens: &impl ToTokens, otherwise: Span) -> Span {
    first_token(tokens).map_or(otherwise, |token| site_at(token.span()))
}
