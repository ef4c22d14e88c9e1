//! The context function as the user wrote it: its signature parsed, its body kept as tokens, so that a half-typed body still expands.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    AttrStyle, Attribute, GenericArgument, PathArguments, ReceiverKind, ReturnType, Signature,
    Token, Type, Visibility,
    parse::{Parse, ParseStream, Parser},
};

use crate::{
    args::Args,
    tokens::{contains_word, is_punct, regroup, start},
};

pub(crate) struct ContextFn {
    /// Those above the function, and the inner ones of its body.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The braces and what is between them; a trait may leave them out.
    pub(crate) body: Option<Group>,
}

impl Parse for ContextFn {
    fn parse(input: ParseStream<'_>) -> syn::Result<ContextFn> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            match without_invisible_group(input.parse()?) {
                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => Some(body),
                other => {
                    return Err(syn::Error::new_spanned(
                        other,
                        "expected the body of the context function",
                    ));
                }
            }
        };
        if !input.is_empty() {
            return Err(input.error("expected nothing after the context function"));
        }
        let body = body
            .map(|body| take_inner_attributes(body, &mut attrs))
            .transpose()?;
        Ok(ContextFn {
            attrs,
            vis,
            sig,
            body,
        })
    }
}

impl ContextFn {
    /// Whether nothing can be assigned to `self` or its fields, as in a method that takes `&self`.
    pub(crate) fn has_fixed_self(&self) -> bool {
        self.sig
            .receiver()
            .is_some_and(|receiver| match &receiver.kind {
                ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
                _ => receiver.mutability.is_none(),
            })
    }

    /// The function as its callers see it: its body, if it has one, is never run.
    pub(crate) fn without_body(&self) -> TokenStream {
        let ContextFn {
            attrs,
            vis,
            sig,
            body,
        } = self;
        let body = match body {
            Some(_) => quote_spanned!(Span::mixed_site()=> { ::core::unreachable!() }),
            None => quote_spanned!(Span::mixed_site()=> ;),
        };
        quote_spanned!(Span::mixed_site()=> #(#attrs)* #vis #sig #body)
    }
}

/// A macro that writes the function may have its body from a `$body:block`.
fn without_invisible_group(token: TokenTree) -> TokenTree {
    match &token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut inner = group.stream().into_iter();
            match (inner.next(), inner.next()) {
                (Some(only), None) => without_invisible_group(only),
                _ => token,
            }
        }
        _ => token,
    }
}

/// Rustc takes the braces around a single expression to be unnecessary, where they stand within others.
pub(crate) fn allow_braces(body: &Group, site: Span) -> Option<TokenStream> {
    let is_expression = !body.stream().into_iter().any(|token| is_punct(&token, ';'));
    is_expression.then(|| quote_spanned!(site=> #[allow(unused_braces)]))
}

/// `#![…]` may stand at the start of a function's body, but not of a block within one.
fn take_inner_attributes(body: Group, attrs: &mut Vec<Attribute>) -> syn::Result<Group> {
    let split = |input: ParseStream<'_>| {
        Ok((
            input.call(Attribute::parse_inner)?,
            input.parse::<TokenStream>()?,
        ))
    };
    let (inner, rest) = split.parse2(body.stream())?;
    if inner.is_empty() {
        return Ok(body);
    }
    attrs.extend(inner.into_iter().map(|attr| Attribute {
        style: AttrStyle::Outer,
        ..attr
    }));
    Ok(regroup(&body, rest))
}

/// What the return type says of the context.
pub(crate) enum Returns {
    /// `-> T`, or nothing.
    Plain(Box<Type>),
    /// `-> Result<T, E>`, spelt out.
    Result {
        resource: Box<Type>,
        error: Box<Type>,
    },
    /// `-> io::Result<T>`: what it stands for is projected.
    Alias(Box<Type>),
}

impl Returns {
    /// `-> ()`, or nothing.
    pub(crate) fn unit() -> Returns {
        Returns::Plain(Box::new(syn::parse_quote_spanned!(Span::mixed_site()=> ())))
    }

    pub(crate) fn new(output: &ReturnType, args: &Args) -> Returns {
        let ty = match output {
            ReturnType::Default => return Returns::unit(),
            ReturnType::Type(_, ty) => respan_impl(ty),
        };
        if args.infallible.is_some() {
            return Returns::Plain(Box::new(ty));
        }
        if let Some((resource, error)) = result_arguments(&ty) {
            return Returns::Result {
                resource: Box::new(resource),
                error: Box::new(error),
            };
        }
        // An alias with `impl Trait` can't be projected: `validate` says so.
        if (is_named_result(&ty) || args.fallible.is_some()) && !contains_impl(&ty) {
            Returns::Alias(Box::new(ty))
        } else {
            Returns::Plain(Box::new(ty))
        }
    }

    /// What the context gives to the body.
    pub(crate) fn resource(&self, args: &Args) -> TokenStream {
        match self {
            Returns::Plain(ty) | Returns::Result { resource: ty, .. } => ty.to_token_stream(),
            Returns::Alias(ty) => declared(ty, args, "Resource"),
        }
    }

    /// The error of a fallible context.
    pub(crate) fn error(&self, args: &Args) -> Option<TokenStream> {
        match self {
            Returns::Plain(_) => None,
            Returns::Result { error, .. } => Some(error.to_token_stream()),
            Returns::Alias(ty) => Some(declared(ty, args, "Error")),
        }
    }
}

/// What a `Result` by another name stands for, with the span of that name all over: of a type that is no `Result` rustc then says so once.
fn declared(ty: &Type, args: &Args, part: &str) -> TokenStream {
    let at = start(ty);
    let (krate, part) = (args.krate(at), Ident::new(part, at));
    quote_spanned!(at=> <#ty as #krate::__private::Declared>::#part)
}

/// `T` and `E`, if `ty` is `Result<T, E>` by its own name.
fn result_arguments(ty: &Type) -> Option<(Type, Type)> {
    let segment = last_segment(ty)?;
    let Type::Path(path) = ungroup(ty) else {
        return None;
    };
    if segment.ident != "Result" || (path.path.segments.len() > 1 && !is_std_result(ty)) {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match Vec::from_iter(&arguments.args).as_slice() {
        [
            GenericArgument::Type(resource),
            GenericArgument::Type(error),
        ] => Some((resource.clone(), error.clone())),
        _ => None,
    }
}

/// Whether `ty` is written `std::result::Result` or `core::result::Result`, whatever its arguments.
fn is_std_result(ty: &Type) -> bool {
    let Type::Path(path) = ungroup(ty) else {
        return false;
    };
    let names = path
        .path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect::<Vec<_>>();
    path.qself.is_none()
        && matches!(
            names.iter().map(String::as_str).collect::<Vec<_>>()[..],
            ["std" | "core", "result", "Result"]
        )
}

/// Whether a type is called `Result`, or something that ends in that.
pub(crate) fn is_named_result(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident.to_string().ends_with("Result"))
}

/// Whether a type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

pub(crate) fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ungroup(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The types of the standard library with parameters that one meets in a signature.
const STD: [&str; 37] = [
    "Arc",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "Box",
    "BufReader",
    "BufWriter",
    "Cell",
    "Cow",
    "HashMap",
    "HashSet",
    "LazyCell",
    "LazyLock",
    "LinkedList",
    "ManuallyDrop",
    "MaybeUninit",
    "Mutex",
    "MutexGuard",
    "NonNull",
    "NonZero",
    "OnceCell",
    "OnceLock",
    "Option",
    "PhantomData",
    "Pin",
    "Range",
    "Rc",
    "Receiver",
    "Ref",
    "RefCell",
    "RefMut",
    "Reverse",
    "RwLock",
    "Sender",
    "Vec",
    "VecDeque",
    "Weak",
];

/// Whether a type may be a `Result` by another name, as far as that tells: it has parameters, and isn't one of the standard library's.
pub(crate) fn may_be_an_alias(ty: &Type) -> bool {
    let Some(segment) = last_segment(ty) else {
        return false;
    };
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return false;
    };
    let takes_a_type = |argument: &GenericArgument| matches!(argument, GenericArgument::Type(_));
    arguments.args.iter().any(takes_a_type) && !is_std(&segment.ident.to_string())
}

/// Whether a type of the standard library that has parameters is called so.
pub(crate) fn is_std(name: &str) -> bool {
    STD.contains(&name)
}

/// Sees through parentheses, and through the invisible ones that a `$ty:ty` of a macro leaves.
pub(crate) fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        Type::Paren(paren) => ungroup(&paren.elem),
        _ => ty,
    }
}

pub(crate) fn contains_impl(tokens: impl ToTokens) -> bool {
    contains_word(tokens, "impl")
}

/// An `impl` of the user's captures lifetimes by the rules of the user's edition; inside the `impl` that we write around it
/// only those of edition 2024 fit. The token's own edition decides, so it gets ours.
fn respan_impl(ty: &Type) -> Type {
    fn respan(tokens: TokenStream) -> TokenStream {
        tokens
            .into_iter()
            .map(|token| match token {
                TokenTree::Ident(ident) if ident == "impl" => {
                    Ident::new("impl", Span::mixed_site().located_at(ident.span())).into()
                }
                TokenTree::Group(group) => regroup(&group, respan(group.stream())).into(),
                other => other,
            })
            .collect()
    }
    if !contains_impl(ty) {
        return ty.clone();
    }
    syn::parse2(respan(ty.to_token_stream())).unwrap_or_else(|_| ty.clone())
}

#[cfg(test)]
mod tests;
