//! The arguments of the attribute: `#[async_context(on_cancel = block, own(pool = pool.clone()), …)]`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{
    Expr, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
};

use crate::{
    error::{Errors, written},
    spelling::did_you_mean,
    tokens::is_punct,
};

mod own;
mod policy;

pub(crate) use own::Owned;
use own::parse_own;
pub(crate) use policy::{POLICIES, Policy};

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

/// The message for `?Send`, which other attributes take.
const NOT_SEND: &str =
    "a context that isn't `Send` has another policy: write `on_cancel = spawn_local`";

/// What stands in the parentheses of `#[async_context(…)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) on_cancel: Policy,
    /// The `finish` of `setup = finish`.
    pub(crate) setup_finish: Option<Ident>,
    /// The pairs in `own(…)`, if it is written at all.
    pub(crate) own: Option<Vec<Owned>>,
    pub(crate) suppress: Option<Ident>,
    pub(crate) guard: Option<Ident>,
    pub(crate) wrapping: Option<Ident>,
    pub(crate) boxed: Option<Ident>,
    pub(crate) fallible: Option<Ident>,
    pub(crate) infallible: Option<Ident>,
    krate: Option<Path>,
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
        let name = parse_name(input)?;
        let word = name.to_string();
        if seen.contains(&word) {
            return Err(given_twice(&name));
        }
        match word.as_str() {
            "on_cancel" => {
                self.on_cancel = parse_value(&name, "on_cancel = block", input, Policy::parse)?
            }
            "setup" => {
                self.setup_finish = parse_value(&name, "setup = finish", input, parse_setup)?
            }
            "own" => {
                // Even if it is wrong: then nothing is said of what it was meant to own.
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
            _ => return Err(syn::Error::new_spanned(name, unknown(&word, input))),
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

    /// Whether `own(…)` takes the argument of this name, as in `own(other = name)`.
    pub(crate) fn takes(&self, name: &Ident) -> bool {
        let mut owned = self.own.iter().flatten();
        owned.any(|owned| matches!(&owned.value, Expr::Path(value) if value.path.is_ident(name)))
    }

    /// Whether the returned manager promises that its frame borrows nothing.
    pub(crate) fn is_static(&self) -> bool {
        self.on_cancel.is_static() || self.own.is_some()
    }
}

fn parse_name(input: ParseStream<'_>) -> syn::Result<Ident> {
    if let Ok(name) = input.call(Ident::parse_any) {
        return Ok(name);
    }
    let token: TokenTree = input.parse()?;
    let message = if is_punct(&token, '?') {
        NOT_SEND
    } else {
        "expected an argument such as `on_cancel = block`"
    };
    Err(syn::Error::new_spanned(token, message))
}

fn given_twice(name: &Ident) -> syn::Error {
    let advice = if name == "own" {
        ": put all that it owns into one"
    } else {
        ""
    };
    syn::Error::new_spanned(name, format!("`{name}` is given twice{advice}"))
}

/// The message for an unknown argument: what stands behind it may tell what was meant.
fn unknown(word: &str, input: ParseStream<'_>) -> String {
    let value = value_ahead(input).map(|value| value.to_string());
    if POLICIES.contains(&word) {
        format!("`{word}` is a policy: write `on_cancel = {word}`")
    } else if word == "finish" || word == "finish_setup" {
        "write `setup = finish`".to_owned()
    } else if word.eq_ignore_ascii_case("send") {
        NOT_SEND.to_owned()
    } else if let Some(meant) = begun(word).or_else(|| did_you_mean(word, &ARGUMENTS)) {
        format!("unknown argument `{word}`: did you mean `{meant}`?")
    } else if let Some(policy) = value.filter(|value| POLICIES.contains(&value.as_str())) {
        format!("write `on_cancel = {policy}`")
    } else {
        let all = ARGUMENTS.map(|argument| format!("`{argument}`"));
        format!(
            "unknown argument `{word}`: `#[async_context]` takes {}",
            all.join(", ")
        )
    }
}

/// The argument that begins with this word.
fn begun(word: &str) -> Option<&'static str> {
    let mut arguments = ARGUMENTS.into_iter();
    arguments.find(|argument| word.len() > 1 && argument.starts_with(word))
}

/// The word in `= word`.
fn value_ahead(input: ParseStream<'_>) -> Option<Ident> {
    let ahead = input.fork();
    ahead.parse::<Token![=]>().ok()?;
    ahead.parse().ok()
}

fn parse_value<T>(
    name: &Ident,
    example: &str,
    input: ParseStream<'_>,
    parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if let Some(error) = value_without_equals(name, input) {
        return Err(error);
    }
    let equals = input.parse::<Option<Token![=]>>()?;
    if equals.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` needs a value, as in `{example}`"),
        ));
    }
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let message = format!("without quotes: `{name} = {}`", text.value());
        return Err(syn::Error::new_spanned(text, message));
    }
    parse(input)
}

/// The error for `on_cancel: block`, `on_cancel(block)` and `on_cancel block`.
fn value_without_equals(name: &Ident, input: ParseStream<'_>) -> Option<syn::Error> {
    let ahead = input.fork();
    let (odd_one, value): (TokenTree, TokenStream) = match ahead.parse().ok()? {
        TokenTree::Punct(colon) if colon.as_char() == ':' => {
            ahead.parse::<Option<Token![=]>>().ok()?;
            (
                colon.into(),
                ahead.parse::<Expr>().ok()?.into_token_stream(),
            )
        }
        TokenTree::Group(group) => (group.clone().into(), group.stream()),
        word @ TokenTree::Ident(_) => {
            let value: Expr = input.fork().parse().ok()?;
            (word, value.into_token_stream())
        }
        _ => return None,
    };
    let message = format!("write `{name} = {}`", written(&value));
    (!value.is_empty()).then(|| syn::Error::new_spanned(odd_one, message))
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

pub(crate) fn parse_crate(input: ParseStream<'_>) -> syn::Result<Path> {
    let start = input.span();
    input.call(Path::parse_mod_style).map_err(|_| {
        syn::Error::new(
            start,
            "expected the path of `contextlib`, as in `crate = my_crate::contextlib`",
        )
    })
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _ = input.parse::<TokenTree>();
    }
}

#[cfg(test)]
mod tests;
