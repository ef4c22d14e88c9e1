//! The argument `own(pool = pool.clone(), …)`.

use proc_macro2::{Delimiter, Group, Ident, TokenTree};
use syn::{
    Expr, ExprField, Member, Token,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

use crate::error::{without_let, written};

/// One `name = expression` of `own(…)`.
pub(crate) struct Owned {
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) name: Ident,
    pub(crate) value: Expr,
}

pub(super) fn parse_own(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Owned>> {
    let example = "write `own(name = expression)`, as in `own(pool = self.pool.clone())`";
    let pairs: Group = match input.parse()? {
        Some(TokenTree::Group(pairs)) if pairs.delimiter() == Delimiter::Parenthesis => pairs,
        Some(other) => return Err(syn::Error::new_spanned(other, example)),
        None => return Err(syn::Error::new_spanned(name, example)),
    };
    let owned = (|input: ParseStream<'_>| input.parse_terminated(Owned::parse, Token![,]))
        .parse2(pairs.stream())?;
    let owned = Vec::from_iter(owned);
    for (i, pair) in owned.iter().enumerate() {
        if owned[..i].iter().any(|earlier| earlier.name == pair.name) {
            return Err(syn::Error::new_spanned(
                &pair.name,
                format!("`{}` is owned twice", pair.name),
            ));
        }
    }
    Ok(owned)
}

impl Parse for Owned {
    fn parse(input: ParseStream<'_>) -> syn::Result<Owned> {
        let pair = input.fork();
        let named = pair.parse::<Option<Token![mut]>>().is_ok()
            && pair.parse::<Ident>().is_ok()
            && pair.peek(Token![=])
            && !pair.peek(Token![==]);
        if !named {
            return Err(match with_a_colon(input) {
                Some(error) => error,
                None => unnamed(input)?,
            });
        }
        let mutability = input.parse()?;
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            let message =
                format!("`{name}` needs an expression, as in `{name} = self.{name}.clone()`");
            return Err(syn::Error::new_spanned(name, message));
        }
        Ok(Owned {
            mutability,
            name,
            value: input.parse()?,
        })
    }
}

/// The error for `own(pool: self.pool.clone())`.
fn with_a_colon(input: ParseStream<'_>) -> Option<syn::Error> {
    let pair = input.fork();
    let name: Ident = pair.parse().ok()?;
    if pair.peek(Token![::]) {
        return None;
    }
    let colon: Token![:] = pair.parse().ok()?;
    let (value, type_too) = match pair.parse().ok()? {
        Expr::Assign(assign) => (*assign.right, ", without a type"),
        value => (value, ""),
    };
    let message = format!(
        "`own` takes `=` for this: write `{name} = {}`{type_too}",
        written(value)
    );
    Some(syn::Error::new_spanned(colon, message))
}

/// The error for `own(self.pool)`, `own(pool)`, `own(self = self.clone())` or one with a `let`: says what the pair would be.
fn unnamed(input: ParseStream<'_>) -> syn::Result<syn::Error> {
    let start: TokenTree = input.fork().parse()?;
    let Ok(value) = input.parse::<Expr>() else {
        return Ok(syn::Error::new_spanned(
            start,
            "`own` takes pairs of a name and an expression, as in `own(pool = self.pool.clone())`",
        ));
    };
    if let Expr::Let(binding) = &value {
        return Ok(without_let(binding));
    }
    if let Expr::Assign(assign) = &value {
        let (name, value) = (&assign.left, written(&assign.right));
        let message = match &**name {
            Expr::Path(path) if path.path.is_ident("self") => {
                format!(
                    "`self` can't be the name of a variable: write `this = {value}`, and `this` in the body"
                )
            }
            _ => format!(
                "what `own` owns needs a name: write `{} = {value}`",
                name_for(&assign.right)
            ),
        };
        return Ok(syn::Error::new_spanned(name, message));
    }
    let (name, text) = (name_for(&value), written(&value));
    let copied = if matches!(value, Expr::Path(_) | Expr::Field(_)) {
        ".clone()"
    } else {
        ""
    };
    Ok(syn::Error::new_spanned(
        value,
        format!("what `own` owns needs a name: write `{name} = {text}{copied}`"),
    ))
}

/// A name for the value of this expression: that of the field or variable in it.
fn name_for(value: &Expr) -> Ident {
    let name = match value {
        Expr::Path(path) => path.path.get_ident().cloned(),
        Expr::Field(field) => match &field.member {
            Member::Named(name) => Some(name.clone()),
            Member::Unnamed(_) => None,
        },
        Expr::MethodCall(call) => match &*call.receiver {
            Expr::Field(ExprField {
                member: Member::Named(name),
                ..
            }) => Some(name.clone()),
            Expr::Path(path) => path.path.get_ident().cloned(),
            _ => None,
        },
        _ => None,
    };
    let this = || Ident::new("this", value.span());
    match name {
        Some(name) if name == "self" => this(),
        Some(name) => name,
        None => Ident::new("name", value.span()),
    }
}
