//! The arguments of the attribute: `#[async_context(on_cancel = block, own(pool = pool.clone()), …)]`.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Expr, LitStr, Path, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

use crate::error::{Errors, did_you_mean, written};

const ARGUMENTS: [&str; 10] = [
    "on_cancel",
    "setup",
    "own",
    "suppress",
    "guard",
    "wrapping",
    "boxed",
    "fallible",
    "infallible",
    "crate",
];
const POLICIES: [&str; 4] = ["spawn", "spawn_local", "block", "drop"];

/// What stands in the parentheses of `#[async_context(…)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) on_cancel: Policy,
    /// The `finish` of `setup = finish`.
    pub(crate) setup_finish: Option<Ident>,
    /// The pairs of `own(…)`, where it is written at all.
    pub(crate) own: Option<Vec<Owned>>,
    pub(crate) suppress: Option<Ident>,
    pub(crate) guard: Option<Ident>,
    pub(crate) wrapping: Option<Ident>,
    pub(crate) boxed: Option<Ident>,
    pub(crate) fallible: Option<Ident>,
    pub(crate) infallible: Option<Ident>,
    krate: Option<Path>,
}

/// What becomes of a frame whose caller is gone.
#[derive(Default)]
pub(crate) enum Policy {
    #[default]
    Spawn,
    SpawnLocal,
    Block,
    Drop,
    /// A type of the user's.
    Custom(Box<Type>),
}

/// One `name = expression` of `own(…)`.
pub(crate) struct Owned {
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) name: Ident,
    pub(crate) value: Expr,
}

impl Policy {
    /// Whether the frame may be anywhere later, so that nothing in it may be borrowed.
    pub(crate) fn is_static(&self) -> bool {
        matches!(self, Policy::Spawn | Policy::SpawnLocal)
    }
}

impl Args {
    /// Notes mistakes in `errors` and goes on with what is right.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
        let mut args = Args::default();
        let mut seen = Vec::new();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.parse_one(input, &mut seen) {
                    errors.add(error);
                    skip_to_comma(input);
                }
                if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                    errors.at(
                        input.parse::<TokenTree>()?,
                        "expected a comma between the arguments of `#[async_context]`",
                    );
                    skip_to_comma(input);
                    input.parse::<Option<Token![,]>>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.add(error);
        }
        args.check(errors);
        args
    }

    fn parse_one(&mut self, input: ParseStream<'_>, seen: &mut Vec<String>) -> syn::Result<()> {
        let Ok(name) = input.call(Ident::parse_any) else {
            let token: TokenTree = input.parse()?;
            return Err(syn::Error::new_spanned(
                token,
                "expected an argument such as `on_cancel = block`",
            ));
        };
        let word = name.to_string();
        if seen.contains(&word) {
            return Err(syn::Error::new_spanned(
                &name,
                match word.as_str() {
                    "own" => "`own` is given twice: put all that it owns into one".to_owned(),
                    _ => format!("`{word}` is given twice"),
                },
            ));
        }
        match word.as_str() {
            "on_cancel" => {
                self.on_cancel = parse_value(&name, "on_cancel = block", input, parse_policy)?
            }
            "setup" => {
                self.setup_finish = parse_value(&name, "setup = finish", input, parse_setup)?
            }
            "own" => {
                // Also if it is wrong: then nothing is said of what it was to own.
                self.own = Some(Vec::new());
                self.own = Some(parse_own(&name, input)?);
            }
            "crate" => {
                self.krate = Some(parse_value(
                    &name,
                    "crate = path::to::contextlib",
                    input,
                    parse_crate,
                )?)
            }
            "suppress" => self.suppress = Some(parse_flag(name, input)?),
            "guard" => self.guard = Some(parse_flag(name, input)?),
            "wrapping" => self.wrapping = Some(parse_flag(name, input)?),
            "boxed" => self.boxed = Some(parse_flag(name, input)?),
            "fallible" => self.fallible = Some(parse_flag(name, input)?),
            "infallible" => self.infallible = Some(parse_flag(name, input)?),
            _ => {
                let message = if POLICIES.contains(&word.as_str()) {
                    format!("`{word}` is a policy: write `on_cancel = {word}`")
                } else if word == "finish" {
                    "write `setup = finish`".to_owned()
                } else if let Some(meant) = did_you_mean(&word, &ARGUMENTS) {
                    format!("unknown argument `{word}`: did you mean `{meant}`?")
                } else {
                    let all = ARGUMENTS.map(|argument| format!("`{argument}`"));
                    format!(
                        "unknown argument `{word}`: `#[async_context]` takes {}",
                        all.join(", ")
                    )
                };
                return Err(syn::Error::new_spanned(name, message));
            }
        }
        seen.push(word);
        Ok(())
    }

    /// Arguments that don't go together.
    fn check(&self, errors: &mut Errors) {
        if let (Some(_), Some(infallible)) = (&self.fallible, &self.infallible) {
            errors.at(
                infallible,
                "`infallible` contradicts `fallible`: a context is one or the other",
            );
        }
        if let (Some(_), Some(wrapping)) = (&self.guard, &self.wrapping) {
            errors.at(
                wrapping,
                "`wrapping` contradicts `guard`: a wrapping context has no guard",
            );
        }
        if let (Some(finish), false) = (&self.setup_finish, matches!(self.on_cancel, Policy::Spawn))
        {
            errors.at(
                finish,
                "`setup = finish` lets a background task finish the setup, so it goes with `on_cancel = spawn` only",
            );
        }
    }

    /// The path of the runtime crate.
    pub(crate) fn krate(&self, site: Span) -> TokenStream {
        match &self.krate {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(site=> ::contextlib),
        }
    }

    /// Whether `own(…)` has a value of this name.
    pub(crate) fn owns(&self, name: &Ident) -> bool {
        let mut owned = self.own.iter().flatten();
        owned.any(|owned| owned.name == *name)
    }

    /// Whether the returned manager promises that its frame borrows nothing.
    pub(crate) fn is_static(&self) -> bool {
        self.on_cancel.is_static() || self.own.is_some()
    }
}

fn parse_value<T>(
    name: &Ident,
    example: &str,
    input: ParseStream<'_>,
    parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` needs a value, as in `{example}`"),
        ));
    }
    input.parse::<Token![=]>()?;
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let message = format!("without quotes: `{name} = {}`", text.value());
        return Err(syn::Error::new_spanned(text, message));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` needs a value, as in `{example}`"),
        ));
    }
    parse(input)
}

fn parse_flag(name: Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(name);
    }
    let value: TokenTree = input.parse()?;
    Err(syn::Error::new_spanned(
        value,
        format!("`{name}` takes no value: write just `{name}`"),
    ))
}

fn parse_policy(input: ParseStream<'_>) -> syn::Result<Policy> {
    let ahead = input.fork();
    if let Ok(value @ (Expr::Call(_) | Expr::Struct(_) | Expr::MethodCall(_))) = ahead.parse() {
        return Err(a_value_as_policy(&value));
    }
    let policy: Type = input.parse().map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected `spawn`, `spawn_local`, `block`, `drop` or the path of a policy type",
        )
    })?;
    let word = match &policy {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    };
    let Some(word) = word.map(Ident::to_string) else {
        return Ok(Policy::Custom(Box::new(policy)));
    };
    match word.as_str() {
        "spawn" => Ok(Policy::Spawn),
        "spawn_local" => Ok(Policy::SpawnLocal),
        "block" => Ok(Policy::Block),
        "drop" => Ok(Policy::Drop),
        // A type begins with a capital letter; what doesn't is a slip.
        _ if word.starts_with(char::is_lowercase) => {
            let message = match did_you_mean(&word, &POLICIES) {
                Some(meant) => format!("unknown policy `{word}`: did you mean `{meant}`?"),
                None => format!(
                    "unknown policy `{word}`: expected `spawn`, `spawn_local`, `block`, `drop` or the path of a policy type"
                ),
            };
            Err(syn::Error::new_spanned(policy, message))
        }
        _ => Ok(Policy::Custom(Box::new(policy))),
    }
}

/// `Retry::new(3)`, `Retry { times: 3 }` or `spawn()`, where `Retry` or `spawn` is the policy.
fn a_value_as_policy(value: &Expr) -> syn::Error {
    let mut path = match value {
        Expr::Call(call) => written(&call.func),
        Expr::Struct(value) => written(&value.path),
        _ => "Policy".to_owned(),
    };
    if let Some((ty, "new" | "default")) = path.rsplit_once("::") {
        path.truncate(ty.len());
    }
    let message = format!("a policy is a type, and no value of it: write `on_cancel = {path}`");
    syn::Error::new_spanned(value, message)
}

fn parse_setup(input: ParseStream<'_>) -> syn::Result<Option<Ident>> {
    let token: TokenTree = input.parse()?;
    match &token {
        TokenTree::Ident(word) if word == "finish" => Ok(Some(word.clone())),
        TokenTree::Ident(word) if word == "drop" => Ok(None),
        _ => Err(syn::Error::new_spanned(
            token,
            "expected `drop` (a cancelled setup is dropped) or `finish` (it runs on, and is torn down)",
        )),
    }
}

fn parse_crate(input: ParseStream<'_>) -> syn::Result<Path> {
    let start = input.span();
    input.call(Path::parse_mod_style).map_err(|_| {
        syn::Error::new(
            start,
            "expected the path of `contextlib`, as in `crate = my_crate::contextlib`",
        )
    })
}

fn parse_own(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Owned>> {
    let example = "write `own(name = expression)`, as in `own(pool = self.pool.clone())`";
    let pairs: Group = match input.parse()? {
        Some(TokenTree::Group(pairs))
            if pairs.delimiter() == proc_macro2::Delimiter::Parenthesis =>
        {
            pairs
        }
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

/// The error for `own(self.pool)`, `own(pool)` or `own(self = self.clone())`: says what the pair would be.
fn unnamed(input: ParseStream<'_>) -> syn::Result<syn::Error> {
    let start: TokenTree = input.fork().parse()?;
    let Ok(value) = input.parse::<Expr>() else {
        return Ok(syn::Error::new_spanned(
            start,
            "`own` takes pairs of a name and an expression, as in `own(pool = self.pool.clone())`",
        ));
    };
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

/// A name for what comes of this expression: that of the field or variable.
fn name_for(value: &Expr) -> Ident {
    let name = match value {
        Expr::Path(path) => path.path.get_ident().cloned(),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.clone()),
            syn::Member::Unnamed(_) => None,
        },
        Expr::MethodCall(call) => match &*call.receiver {
            Expr::Field(syn::ExprField {
                member: syn::Member::Named(name),
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

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<TokenTree>();
    }
}

#[cfg(test)]
mod tests;
