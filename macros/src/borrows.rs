//! What a signature borrows, as far as its tokens tell: references, `'_`, named lifetimes.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{
    AngleBracketedGenericArguments, FnArg, GenericArgument, Lifetime, Pat, PatIdent, Path,
    PathArguments, Receiver, ReceiverKind, ReturnType, Signature, Type, TypeParamBound,
    TypeReference, punctuated::Punctuated, spanned::Spanned,
};

use crate::{
    args::Args,
    error::written,
    tokens::is_one_of,
    types::{bounds_of, is_path_to, last_segment, ungroup},
};

/// The types that exist only behind a pointer, and have an owned counterpart.
const UNSIZED: [&str; 4] = ["str", "Path", "OsStr", "CStr"];

/// One borrow: the token that says so.
pub(crate) struct Borrow {
    /// `&`, or a lifetime.
    pub(crate) token: TokenStream,
    /// None where it is elided.
    pub(crate) lifetime: Option<Lifetime>,
}

/// All borrows of the arguments, in order.
pub(crate) fn of_arguments(sig: &Signature) -> Vec<Borrow> {
    let mut finder = Finder::default();
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(receiver) => finder.receiver(receiver),
            FnArg::Typed(argument) => finder.ty(&argument.ty),
        }
    }
    finder.found
}

pub(crate) fn of_receiver(receiver: &Receiver) -> Option<Borrow> {
    let mut finder = Finder::default();
    finder.receiver(receiver);
    finder.first()
}

pub(crate) fn of_type(ty: &Type) -> Option<Borrow> {
    let mut finder = Finder::default();
    finder.ty(ty);
    finder.first()
}

pub(crate) fn of_output(output: &ReturnType) -> Option<Borrow> {
    match output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => of_type(ty),
    }
}

/// The name and the type of an argument that is written as a `&T` or `&mut T`.
pub(crate) fn argument_by_reference(input: &FnArg) -> Option<(&PatIdent, &TypeReference)> {
    let FnArg::Typed(argument) = input else {
        return None;
    };
    match (&*argument.pat, ungroup(&argument.ty)) {
        (Pat::Ident(pat), Type::Reference(reference)) => Some((pat, reference)),
        _ => None,
    }
}

/// The method that makes an owned value from one of this type, if its tokens tell.
pub(crate) fn owning(ty: &Type) -> Option<&'static str> {
    if let Type::Reference(reference) = ungroup(ty) {
        return owning_reference(reference);
    }
    let segment = last_segment(ty)?;
    let argument = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.last()?,
        _ => return None,
    };
    match argument {
        GenericArgument::Type(ty) if segment.ident == "Cow" && of_type(ty).is_none() => {
            Some(".into_owned()")
        }
        GenericArgument::Type(ty @ Type::Reference(_)) if segment.ident == "Option" => {
            match owning(ty)? {
                ".clone()" => Some(".cloned()"),
                _ if written(ty).ends_with("str") => Some(".map(str::to_owned)"),
                _ => Some(".map(ToOwned::to_owned)"),
            }
        }
        _ => None,
    }
}

/// The same for a reference.
pub(crate) fn owning_reference(reference: &TypeReference) -> Option<&'static str> {
    match (ungroup(&reference.elem), last_segment(&reference.elem)) {
        (borrows, _) if of_type(borrows).is_some() => None,
        (Type::TraitObject(_) | Type::ImplTrait(_), _) => None,
        (Type::Slice(_), _) => Some(".to_owned()"),
        (_, Some(segment)) if is_one_of(&segment.ident, &UNSIZED) => Some(".to_owned()"),
        _ => Some(".clone()"),
    }
}

/// The lifetime of a boxed manager.
pub(crate) fn of_box(args: &Args, sig: &Signature) -> syn::Result<TokenStream> {
    let borrows = if args.is_static() {
        Vec::new()
    } else {
        of_arguments(sig)
    };
    let Some(first) = borrows.first() else {
        let generic = of_a_generic_argument(sig).filter(|_| !args.is_static());
        return Ok(match generic {
            Some(lifetime) => lifetime.to_token_stream(),
            None => quote_spanned!(sig.ident.span()=> 'static),
        });
    };
    let odd_one = match &first.lifetime {
        None => borrows.get(1),
        Some(name) => borrows
            .iter()
            .find(|borrow| borrow.lifetime.as_ref() != Some(name)),
    };
    match (odd_one, &first.lifetime) {
        (None, None) => Ok(quote_spanned!(first.token.span()=> '_)),
        (None, Some(name)) => Ok(name.to_token_stream()),
        (Some(odd_one), _) => {
            let message = "a boxed context has one lifetime: declare it in the function's generics, and use it for everything that is borrowed";
            Err(syn::Error::new_spanned(&odd_one.token, message))
        }
    }
}

/// The `'a` of an argument `T` with `T: 'a`, where the generics name no other lifetime.
fn of_a_generic_argument(sig: &Signature) -> Option<&Lifetime> {
    let mut lifetimes = sig.generics.lifetimes().map(|param| &param.lifetime);
    let only = lifetimes.next().filter(|_| lifetimes.next().is_none())?;
    let is_an_argument = |name: &Ident| {
        sig.inputs.iter().any(|input| match input {
            FnArg::Typed(argument) => is_path_to(&argument.ty, name),
            FnArg::Receiver(_) => false,
        })
    };
    let mut params = sig.generics.type_params().map(|param| &param.ident);
    let lives_as_long = |name: &Ident| {
        let mut lives = bounds_of(name, &sig.generics)
            .filter_map(|bound| match bound {
                TypeParamBound::Lifetime(lifetime) => Some(lifetime),
                _ => None,
            })
            .peekable();
        lives.peek().is_some() && lives.all(|lifetime| lifetime == only)
    };
    params
        .any(|name| is_an_argument(name) && lives_as_long(name))
        .then_some(only)
}

#[derive(Default)]
struct Finder {
    found: Vec<Borrow>,
    /// The lifetimes of the `for<'a>`s around this.
    bound: Vec<Lifetime>,
}

impl Finder {
    fn first(self) -> Option<Borrow> {
        self.found.into_iter().next()
    }

    fn lifetime(&mut self, lifetime: &Lifetime) {
        if lifetime.ident == "static" || self.bound.contains(lifetime) {
            return;
        }
        let name = (lifetime.ident != "_").then(|| lifetime.clone());
        self.found.push(Borrow {
            token: lifetime.to_token_stream(),
            lifetime: name,
        });
    }

    fn reference(&mut self, and: &syn::Token![&], lifetime: Option<&Lifetime>) {
        match lifetime {
            Some(lifetime) => self.lifetime(lifetime),
            None => self.found.push(Borrow {
                token: and.to_token_stream(),
                lifetime: None,
            }),
        }
    }

    fn receiver(&mut self, receiver: &Receiver) {
        match &receiver.kind {
            ReceiverKind::Reference(and, lifetime, _) => self.reference(and, lifetime.as_ref()),
            ReceiverKind::Typed(_, ty) => self.ty(ty),
            _ => {}
        }
    }

    fn ty(&mut self, ty: &Type) {
        match ty {
            Type::Reference(reference) => {
                self.reference(&reference.and_token, reference.lifetime.as_ref());
                self.ty(&reference.elem);
            }
            Type::Path(path) => {
                if let Some(qself) = &path.qself {
                    self.ty(&qself.ty);
                }
                self.path(&path.path);
            }
            Type::Array(array) => self.ty(&array.elem),
            Type::Slice(slice) => self.ty(&slice.elem),
            Type::Ptr(pointer) => self.ty(&pointer.elem),
            Type::Group(group) => self.ty(&group.elem),
            Type::Paren(paren) => self.ty(&paren.elem),
            Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| self.ty(ty)),
            Type::ImplTrait(ty) => self.bounds(&ty.bounds),
            Type::TraitObject(ty) => self.bounds(&ty.bounds),
            // The lifetimes of a function pointer are its caller's.
            _ => {}
        }
    }

    fn bounds(&mut self, bounds: &Punctuated<TypeParamBound, syn::Token![+]>) {
        for bound in bounds {
            match bound {
                TypeParamBound::Lifetime(lifetime) => self.lifetime(lifetime),
                TypeParamBound::Trait(bound) => {
                    let outer = self.bound.len();
                    if let Some(binder) = &bound.lifetimes {
                        self.bound.extend(binder.lifetimes.iter().filter_map(
                            |param| match param {
                                syn::GenericParam::Lifetime(param) => Some(param.lifetime.clone()),
                                _ => None,
                            },
                        ));
                    }
                    self.path(&bound.path);
                    self.bound.truncate(outer);
                }
                _ => {}
            }
        }
    }

    fn path(&mut self, path: &Path) {
        for segment in &path.segments {
            // Not `Fn(&T) -> &U`, whose lifetimes are its caller's.
            if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
                self.arguments(arguments);
            }
        }
    }

    fn arguments(&mut self, arguments: &AngleBracketedGenericArguments) {
        for argument in &arguments.args {
            match argument {
                GenericArgument::Lifetime(lifetime) => self.lifetime(lifetime),
                GenericArgument::Type(ty) => self.ty(ty),
                GenericArgument::AssocType(ty) => self.ty(&ty.ty),
                GenericArgument::Constraint(constraint) => self.bounds(&constraint.bounds),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
