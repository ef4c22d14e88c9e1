//! What the return type of a context function says of the context.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{GenericArgument, PathArguments, ReturnType, Type};

use crate::{
    args::Args,
    tokens::{regroup, site_at, start},
    types::{contains_impl, is_named_result, last_segment, ungroup},
};

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

    /// The type of the resource, where it is spelt out.
    pub(crate) fn spelt_resource(&self) -> Option<&Type> {
        match self {
            Returns::Plain(ty) | Returns::Result { resource: ty, .. } => Some(ty),
            Returns::Alias(_) => None,
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

/// What a `Result` by another name stands for, all of it with the span of that name: if the type is no `Result`, rustc then says so once.
fn declared(ty: &Type, args: &Args, part: &str) -> TokenStream {
    let at = start(ty);
    let (krate, part) = (args.krate(at), Ident::new(part, at));
    quote_spanned!(at=> <#ty as #krate::kind::Declared>::#part)
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

/// An `impl` of the user's captures lifetimes by the rules of the user's edition; inside the `impl` that we write around it
/// only those of edition 2024 fit. The token's own edition decides, so it gets ours.
fn respan_impl(ty: &Type) -> Type {
    fn respan(tokens: TokenStream) -> TokenStream {
        tokens
            .into_iter()
            .map(|token| match token {
                TokenTree::Ident(ident) if ident == "impl" => {
                    Ident::new("impl", site_at(ident.span())).into()
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
