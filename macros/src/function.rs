//! The function that an attribute is on, as the user wrote it: its signature parsed, its body kept as tokens, so that a half-typed body still expands.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::{
    AttrStyle, Attribute, ReceiverKind, Signature, Token, Visibility,
    parse::{Parse, ParseStream, Parser},
};

use crate::tokens::{regroup, unwrap_fragment};

pub(crate) struct Function {
    /// Those above the function, and the inner ones of its body.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The braces and what is between them; a trait may leave them out.
    pub(crate) body: Option<Group>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Function> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            // A macro that writes the function may take its body from a `$body:block`.
            let mut body = vec![input.parse::<TokenTree>()?];
            unwrap_fragment(&mut body);
            match body.as_slice() {
                [TokenTree::Group(body)] if body.delimiter() == Delimiter::Brace => {
                    Some(body.clone())
                }
                _ => {
                    return Err(syn::Error::new_spanned(
                        TokenStream::from_iter(body),
                        "expected the body of the function",
                    ));
                }
            }
        };
        if !input.is_empty() {
            return Err(input.error("expected nothing after the function"));
        }
        let body = body
            .map(|body| take_inner_attributes(body, &mut attrs))
            .transpose()?;
        Ok(Function {
            attrs,
            vis,
            sig,
            body,
        })
    }
}

impl Function {
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
        let Function {
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

#[cfg(test)]
mod tests;
