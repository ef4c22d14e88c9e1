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
//!     ::contextlib::__private::value({
//!         /* database, around: */
//!         let db: &mut Database = db;
//!         Ok(async { /* returns a () */ { db.insert(1).await } }.await)
//!     })
//! }
//! ```

use proc_macro2::{Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Attribute, Expr, FnArg, Pat, PatType, ReturnType, Signature, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

use crate::{
    bindings::bound_names,
    context::{self, Context},
    error::{Errors, written},
    nest::{Around, nest},
    signature::{ContextFn, allow_braces, contains_impl, is_named_result, ungroup},
    tokens::contains,
    validate::{CONTEXT_WITHIN, has_runtime, is_named},
    yields::{Fixed, Yields},
};

#[cfg(test)]
mod tests;

/// The whole of `#[within]`.
pub(crate) fn within(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match syn::parse2::<ContextFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.add(not_a_function(&item, error));
            let errors = errors.into_compile_errors();
            return quote_spanned!(Span::mixed_site()=> #errors #item);
        }
    };
    let context = function
        .attrs
        .iter()
        .find(|attr| is_named(attr, "async_context"));
    if let Some(attr) = context {
        errors.at(attr.path(), CONTEXT_WITHIN);
        let errors = errors.into_compile_errors();
        return quote_spanned!(Span::mixed_site()=> #errors #item);
    }
    let names = names(args.clone());
    let args = Args::parse_all(args, &mut errors);
    let mut forgotten = forgotten(&args, &function, &mut errors);
    if forgotten.is_empty() {
        forgotten = misnamed(&args, &function, &mut errors);
    }
    if let Some(body) = check(&args, &function, &mut errors) {
        if errors.is_empty() {
            return expand(&args, &function, body);
        }
    }
    let errors = errors.into_compile_errors();
    let function = stub(function, &names, &forgotten);
    quote_spanned!(Span::mixed_site()=> #errors #function)
}

/// What stands in the parentheses: contexts, each with a name or without, and what overrides a guess.
#[derive(Default)]
struct Args {
    krate: Option<syn::Path>,
    contexts: Vec<Context>,
    fallible: Option<Ident>,
    infallible: Option<Ident>,
}

impl Args {
    fn parse_all(tokens: TokenStream, errors: &mut Errors) -> Args {
        let nothing = tokens.is_empty();
        let args = syn::parse2::<Args>(tokens).unwrap_or_else(|error| {
            errors.add(error);
            Args::default()
        });
        if let (Some(_), Some(infallible)) = (&args.fallible, &args.infallible) {
            errors.at(
                infallible,
                "`infallible` contradicts `fallible`: a function returns a `Result` or it doesn't",
            );
        }
        if args.contexts.is_empty() && errors.is_empty() {
            let missing = if nothing { "" } else { " besides" };
            errors.add(syn::Error::new(
                Span::call_site(),
                format!("`#[within]` needs a context{missing}: write `#[within(name = context)]`, or `#[within(context)]` if the function has no use for its resource"),
            ));
        }
        args
    }

    /// The path of the runtime crate.
    fn krate(&self) -> TokenStream {
        match &self.krate {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(Span::mixed_site()=> ::contextlib),
        }
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Args::default();
        while !input.is_empty() {
            let ends = |input: ParseStream<'_>| input.is_empty() || input.peek(Token![,]);
            let ahead = input.fork();
            let word = ahead.call(Ident::parse_any).ok();
            let word = word.filter(|_| ends(&ahead)).map(|word| word.to_string());
            match word.as_deref() {
                Some("fallible") => args.fallible = Some(input.parse()?),
                Some("infallible") => args.infallible = Some(input.parse()?),
                _ if input.peek(Token![crate]) && input.peek2(Token![=]) => {
                    input.parse::<Token![crate]>()?;
                    input.parse::<Token![=]>()?;
                    args.krate = Some(input.call(syn::Path::parse_mod_style)?);
                }
                _ => args.contexts.push(parse_context(input)?),
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                return Err(syn::Error::new_spanned(
                    input.parse::<TokenTree>()?,
                    "expected a comma between the contexts of `#[within]`, as in `name = context, …`",
                ));
            }
        }
        Ok(args)
    }
}

fn parse_context(input: ParseStream<'_>) -> syn::Result<Context> {
    if input.peek(Token![mut]) {
        return Err(context::mutable(input)?);
    }
    if input.peek(Ident::peek_any) && input.peek2(Token![:]) && !input.peek2(Token![::]) {
        let name = input.call(Ident::parse_any)?;
        let message = format!(
            "the type belongs to the function's argument `{name}`: write `{name} = context` here"
        );
        return Err(syn::Error::new_spanned(
            input.parse::<Token![:]>()?,
            message,
        ));
    }
    let named = input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
    let name = if named || input.peek(Token![_]) {
        context::parse_name(input)?
    } else {
        None
    };
    match input.parse::<Expr>()? {
        Expr::Cast(cast) => Err(context::named_behind(&cast)),
        context => Ok(Context {
            name,
            context: context.into_token_stream(),
        }),
    }
}

/// The names that contexts are given, also where the rest is wrong.
fn names(args: TokenStream) -> Vec<Ident> {
    let tokens = Vec::from_iter(args);
    let named = |pair: &[TokenTree]| match pair {
        [TokenTree::Ident(name), TokenTree::Punct(punct)]
            if punct.as_char() == '='
                || (punct.as_char() == ':' && punct.spacing() == Spacing::Alone) =>
        {
            Some(name.clone())
        }
        _ => None,
    };
    tokens.windows(2).filter_map(named).collect()
}

fn not_a_function(item: &TokenStream, error: syn::Error) -> syn::Error {
    let is_function = item
        .clone()
        .into_iter()
        .any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"));
    if is_function {
        error
    } else {
        syn::Error::new_spanned(
            item.clone().into_iter().next(),
            "`#[within]` goes on an `async fn`",
        )
    }
}

/// Notes what is wrong with the function. Its body, if it has one that can run inside of a context.
fn check<'f>(args: &Args, function: &'f ContextFn, errors: &mut Errors) -> Option<&'f Group> {
    let sig = &function.sig;
    let Some(body) = &function.body else {
        errors.at(
            &sig.ident,
            format!(
                "`#[within]` needs a body to run: put it on each implementation of `{}`",
                sig.ident
            ),
        );
        return None;
    };
    if sig.asyncness.is_none() {
        let name = &sig.ident;
        errors.at(
            sig.fn_token,
            if has_runtime(function.body.as_ref()) {
                format!("the attribute above has made `{name}` synchronous already: write `#[within(…)]` above it, so that it comes first")
            } else {
                format!("`#[within]` goes on an `async fn`: write `async fn {name}`")
            },
        );
    }
    let yields = Yields::find(body.stream(), Fixed::default());
    if let Some(point) = yields
        .points
        .iter()
        .find(|point| !point.inside.foreign_macro)
    {
        errors.at(
            point,
            "`#[within]` runs this function inside of a context and doesn't make it one: what yields is an `#[async_context] async fn` of its own",
        );
    }
    for input in &sig.inputs {
        let Some((argument, _)) = injected(input, &args.contexts) else {
            continue;
        };
        if let Type::Reference(reference) = &*argument.ty {
            if let Some(lifetime) = reference
                .lifetime
                .as_ref()
                .filter(|lifetime| lifetime.ident != "_")
            {
                errors.at(
                    lifetime,
                    "the resource is there only while the function runs: leave this lifetime out",
                );
            }
        }
    }
    Some(body)
}

/// Notes the arguments of a test that no context stands for, and says where they are.
fn forgotten(args: &Args, function: &ContextFn, errors: &mut Errors) -> Vec<usize> {
    let mut forgotten = Vec::new();
    // Other attributes, such as sqlx's, have arguments of their own for a test.
    let takes_none =
        |attr: &Attribute| written(attr.path()) == "test" || written(attr.path()) == "tokio::test";
    // Without a context, that is the mistake.
    if args.contexts.is_empty() || !function.attrs.iter().any(takes_none) {
        return forgotten;
    }
    for (position, input) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(argument) = input else {
            continue;
        };
        if injected(input, &args.contexts).is_some() {
            continue;
        }
        forgotten.push(position);
        match &*argument.pat {
            Pat::Ident(pat) => {
                let name = &pat.ident;
                errors.at(
                    name,
                    format!("no context of this test is called `{name}`: write `{name} = context` in `#[within(…)]`"),
                );
            }
            pat => errors.at(
                pat,
                "a context stands for an argument by its name, and a pattern has none: write one here, and take the resource apart in the body",
            ),
        }
    }
    forgotten
}

/// Notes a name that nothing uses, where an argument was probably meant to be the resource; says where that is.
fn misnamed(args: &Args, function: &ContextFn, errors: &mut Errors) -> Vec<usize> {
    let mut unused = (0..args.contexts.len()).filter_map(|i| unused_name(i, args, function));
    let mut inputs = function.sig.inputs.iter().enumerate();
    let meant = inputs.find_map(|(i, input)| Some((i, without_context(input, args)?)));
    let (Some(name), Some((position, argument))) = (unused.next(), meant) else {
        return Vec::new();
    };
    let instead = match &*argument.pat {
        Pat::Ident(pat) => format!("call its `{}` so", pat.ident),
        _ => "write it in place of the pattern, and take the resource apart in the body".to_owned(),
    };
    errors.at(
        name,
        format!(
            "no argument of `{}` is called `{name}`: {instead}, or write `_ = context` if the function has no use for the resource",
            function.sig.ident
        ),
    );
    vec![position]
}

/// The name of a context that neither an argument nor a later context nor the body mentions.
fn unused_name<'a>(i: usize, args: &'a Args, function: &ContextFn) -> Option<&'a Ident> {
    let name = args.contexts[i].name.as_ref()?;
    let word = name.to_string();
    let mut used = function.sig.inputs.to_token_stream();
    used.extend(function.body.as_ref().map(Group::stream));
    let later = args.contexts[i + 1..].iter();
    used.extend(later.flat_map(|later| [later.name.to_token_stream(), later.context.clone()]));
    (!word.starts_with('_') && !mentions(used, &word)).then_some(name)
}

/// Whether the name is among the tokens, be it in the text of a literal.
fn mentions(tokens: TokenStream, name: &str) -> bool {
    contains(tokens, &|token| match token {
        TokenTree::Literal(text) => text.to_string().contains(name),
        token => token.to_string() == name,
    })
}

/// The argument, if it is a `&mut` that no context has any part in.
fn without_context<'i>(input: &'i FnArg, args: &Args) -> Option<&'i PatType> {
    let FnArg::Typed(argument) = input else {
        return None;
    };
    let exclusive = matches!(ungroup(&argument.ty), Type::Reference(reference) if reference.mutability.is_some());
    let used = bound_names(&argument.pat).into_iter().any(|name| {
        let mut contexts = args.contexts.iter();
        contexts.any(|context| mentions(context.context.clone(), &name.to_string()))
    });
    (exclusive && !used && injected(input, &args.contexts).is_none()).then_some(argument)
}

fn expand(args: &Args, function: &ContextFn, body: &Group) -> TokenStream {
    let ContextFn {
        attrs, vis, sig, ..
    } = function;
    let site = Span::mixed_site().located_at(sig.ident.span());
    let krate = args.krate();
    let whole = match returns_result(args, &sig.output) {
        true => Around::Fallible,
        false => Around::Infallible,
    };
    let mut sig = sig.clone();
    let bindings = take_injected(&mut sig, &args.contexts);
    let body = called(site, &sig.output, body);
    let body = match whole {
        Around::Infallible => quote_spanned! {site=>
            #bindings
            #[allow(unreachable_code)]
            ::core::result::Result::Ok(#body)
        },
        Around::Fallible | Around::Block => quote_spanned!(site=> #bindings #body),
    };
    let nested = nest(&krate, &args.contexts, body, whole);
    let nested = match whole {
        Around::Infallible => quote_spanned!(site=> #krate::__private::value(#nested)),
        Around::Fallible | Around::Block => nested,
    };
    quote_spanned! {site=>
        #(#attrs)*
        #vis #sig {
            #nested
        }
    }
}

/// What is left of a function whose mistakes have been reported: its callers see it without the arguments that contexts stand for.
fn stub(mut function: ContextFn, names: &[Ident], forgotten: &[usize]) -> TokenStream {
    let is_injected = |input: &FnArg| matches!(input, FnArg::Typed(argument) if matches!(&*argument.pat, Pat::Ident(pat) if names.contains(&pat.ident)));
    let inputs = std::mem::take(&mut function.sig.inputs);
    let kept = inputs
        .into_iter()
        .enumerate()
        .filter(|(i, input)| !forgotten.contains(i) && !is_injected(input));
    function.sig.inputs = kept.map(|(_, input)| input).collect();
    function.without_body()
}

/// Takes the arguments that contexts stand for out of the signature, and binds them to the resources, with their types as written.
fn take_injected(sig: &mut Signature, contexts: &[Context]) -> TokenStream {
    let mut bindings = TokenStream::new();
    let inputs = std::mem::take(&mut sig.inputs);
    for input in inputs {
        let Some((argument, name)) = injected(&input, contexts) else {
            sig.inputs.push(input);
            continue;
        };
        let syn::PatType { attrs, pat, ty, .. } = argument;
        let at = name_span(pat);
        let site = Span::mixed_site().located_at(at);
        // `impl Trait` has no name in a body.
        let ty = (!contains_impl(ty)).then(|| quote_spanned!(site=> : #ty));
        let name = Ident::new(&name.to_string(), at.resolved_at(name.span()));
        bindings.extend(quote_spanned!(site=> #(#attrs)* let #pat #ty = #name;));
    }
    bindings
}

/// The argument and the name, if a context stands for this argument.
fn injected<'i>(
    input: &'i FnArg,
    contexts: &'i [Context],
) -> Option<(&'i syn::PatType, &'i Ident)> {
    let FnArg::Typed(argument) = input else {
        return None;
    };
    let Pat::Ident(pat) = &*argument.pat else {
        return None;
    };
    let mut names = contexts.iter().filter_map(|context| context.name.as_ref());
    let name = names.find(|name| **name == pat.ident)?;
    Some((argument, name))
}

/// The body, which `return` and `?` end, and not the contexts around it. Before it stands a `return` that is never taken: it has rustc know the
/// type, so that what the body returns is coerced to it as in any function. (What an `async` closure returns isn't, whatever type it declares.)
fn called(site: Span, output: &ReturnType, body: &Group) -> TokenStream {
    let ty = match output {
        ReturnType::Default => quote_spanned!(site=> ()),
        // These have no name in a body.
        ReturnType::Type(_, ty) if contains_impl(ty) || matches!(**ty, Type::Never(_)) => {
            return quote_spanned!(site=> async #body.await);
        }
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let allow = allow_braces(body, site);
    quote_spanned! {site=>
        async {
            if let ::core::option::Option::Some(returned) = ::core::option::Option::None::<#ty> {
                return returned;
            }
            #allow
            #body
        }
        .await
    }
}

/// Whether the function returns a `Result`, by the same guess as `#[async_context]`'s.
fn returns_result(args: &Args, output: &ReturnType) -> bool {
    let named_result = match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => is_named_result(ty),
    };
    args.infallible.is_none() && (args.fallible.is_some() || named_result)
}

/// Where the name of an argument stands.
fn name_span(pat: &Pat) -> Span {
    match pat {
        Pat::Ident(pat) => pat.ident.span(),
        _ => Span::mixed_site(),
    }
}
