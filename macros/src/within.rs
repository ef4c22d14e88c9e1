//! `#[within]`: an async function that runs inside of contexts.
//!
//! ```text
//! // Input
//! #[within(db = database())]
//! #[tokio::test]
//! async fn inserts(db: &mut Database) { db.insert(1).await }
//!
//! // Output
//! #[tokio::test]
//! async fn inserts() {
//!     /* database, around: */ { let db: &mut Database = db; { db.insert(1).await } }
//! }
//! ```

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute, Expr, FnArg, Pat, ReturnType, Signature, Token, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

use crate::{
    error::Errors,
    nest::{Context, Raise, nest},
};

/// The whole of `#[within]`.
pub(crate) fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let mut errors = Errors::default();
            errors.add(syn::Error::new(
                error.span(),
                "`#[within]` goes on an `async fn` with a body",
            ));
            let errors = errors.into_compile_errors();
            return quote_spanned!(Span::mixed_site()=> #errors #item);
        }
    };
    let mut errors = Errors::default();
    let args = syn::parse2::<Args>(args).unwrap_or_else(|error| {
        errors.add(error);
        Args::default()
    });
    function.check(&mut errors);
    if errors.is_empty() {
        return function.expand(args);
    }
    let errors = errors.into_compile_errors();
    quote_spanned!(Span::mixed_site()=> #errors #item)
}

/// `name = context` or a bare context, any number of times.
struct Args {
    krate: TokenStream,
    contexts: Vec<Context>,
}

impl Default for Args {
    fn default() -> Self {
        Args {
            krate: quote_spanned!(Span::mixed_site()=> ::contextlib),
            contexts: Vec::new(),
        }
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Args::default();
        if input.is_empty() {
            return Err(input.error("expected contexts: `#[within(name = context, …)]`"));
        }
        while !input.is_empty() {
            if input.peek(Token![crate]) && input.peek2(Token![=]) {
                input.parse::<Token![crate]>()?;
                input.parse::<Token![=]>()?;
                args.krate = input.parse::<syn::Path>()?.into_token_stream();
            } else {
                args.contexts.push(context(input)?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

fn context(input: ParseStream<'_>) -> syn::Result<Context> {
    let named =
        input.peek(syn::Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
    let name = if named || input.peek(Token![_]) {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        (name != "_").then_some(name)
    } else {
        None
    };
    Ok(Context {
        name,
        context: input.parse::<Expr>()?.into_token_stream(),
    })
}

/// An async function whose body hasn't been looked at.
struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Function {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

impl Function {
    fn check(&self, errors: &mut Errors) {
        if self.sig.asyncness.is_some() {
            return;
        }
        let is_test = |attr: &&Attribute| {
            attr.path()
                .segments
                .last()
                .is_some_and(|name| name.ident == "test")
        };
        match self.attrs.iter().find(is_test) {
            Some(_) => errors.at(
                self.sig.fn_token,
                "another attribute has made this test synchronous already: write `#[within(…)]` above `#[tokio::test]`, so that it comes first",
            ),
            None => errors.at(self.sig.fn_token, "`#[within]` goes on an `async fn`: write `async` here"),
        }
    }

    fn expand(&self, args: Args) -> TokenStream {
        let Function {
            attrs,
            vis,
            sig,
            body,
        } = self;
        let site = Span::mixed_site().located_at(sig.ident.span());
        let mut sig = sig.clone();
        let bindings = take_injected(&mut sig, &args.contexts);
        let raise = match is_result(&sig.output) {
            true => Raise::Error,
            false => Raise::Panic,
        };
        let body = called(site, &sig.output, &quote_spanned!(site=> #bindings #body));
        let body = match raise {
            Raise::Error => body,
            Raise::Panic => {
                quote_spanned!(site=> #[allow(unreachable_code)] ::core::result::Result::Ok(#body))
            }
        };
        let nested = nest(&args.krate, &args.contexts, body, raise);
        let nested = match raise {
            Raise::Error => nested,
            Raise::Panic => {
                let krate = &args.krate;
                quote_spanned!(site=> #krate::__private::value(#nested))
            }
        };
        quote_spanned! {site=>
            #(#attrs)*
            #vis #sig {
                #nested
            }
        }
    }
}

/// Takes the arguments that contexts stand for out of the signature, and binds them to the resources, with their types as written.
fn take_injected(sig: &mut Signature, contexts: &[Context]) -> TokenStream {
    let mut bindings = TokenStream::new();
    let inputs = std::mem::take(&mut sig.inputs);
    for input in inputs {
        match injected(&input, contexts) {
            Some(binding) => bindings.extend(binding),
            None => sig.inputs.push(input),
        }
    }
    bindings
}

fn injected(input: &FnArg, contexts: &[Context]) -> Option<TokenStream> {
    let FnArg::Typed(argument) = input else {
        return None;
    };
    let Pat::Ident(pat) = &*argument.pat else {
        return None;
    };
    let named = |context: &&Context| context.name.as_ref() == Some(&pat.ident);
    let name = contexts.iter().find(named)?.name.as_ref()?;
    let site = Span::mixed_site().located_at(pat.ident.span());
    let ty = &argument.ty;
    Some(quote_spanned!(site=> let #pat: #ty = #name;))
}

/// The body, run with the type that the signature gives it.
fn called(site: Span, output: &ReturnType, body: &TokenStream) -> TokenStream {
    match output {
        ReturnType::Type(_, ty) if !has_impl(ty) => {
            quote_spanned!(site=> (async || -> #ty { #body })().await)
        }
        ReturnType::Default => quote_spanned!(site=> (async || -> () { #body })().await),
        ReturnType::Type(..) => quote_spanned!(site=> async { #body }.await),
    }
}

fn has_impl(ty: &syn::Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(word) => word == "impl",
            proc_macro2::TokenTree::Group(group) => any(group.stream()),
            _ => false,
        })
    }
    any(ty.to_token_stream())
}

/// Whether the function returns a `Result`, by the same guess as `#[async_context]`'s.
fn is_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    let syn::Type::Path(path) = &**ty else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|name| name.ident.to_string().ends_with("Result"))
}
