//! The argument `on_cancel = …`.

use proc_macro2::Ident;
use syn::{
    Expr, Token, Type,
    parse::{Parse, ParseStream},
};

use crate::{error::written, spelling::did_you_mean, types::ungroup};

pub(crate) const POLICIES: [&str; 4] = ["spawn", "spawn_local", "block", "drop"];

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

impl Policy {
    /// Whether the frame may outlive its caller, so that it must not borrow.
    pub(crate) fn is_static(&self) -> bool {
        matches!(self, Policy::Spawn | Policy::SpawnLocal)
    }
}

impl Parse for Policy {
    fn parse(input: ParseStream<'_>) -> syn::Result<Policy> {
        if let Some(error) = of_a_value(input).or_else(|| with_a_hyphen(input)) {
            return Err(error);
        }
        let policy: Type = input.parse().map_err(|error| {
            syn::Error::new(
                error.span(),
                "expected `spawn`, `spawn_local`, `block`, `drop` or the path of a policy type",
            )
        })?;
        let word = match ungroup(&policy) {
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
            word => match slip(word) {
                Some(message) => Err(syn::Error::new_spanned(policy, message)),
                None => Ok(Policy::Custom(Box::new(policy))),
            },
        }
    }
}

/// The message for a word that is neither the name of a policy nor that of a type, which would begin with a capital letter.
fn slip(word: &str) -> Option<String> {
    let meant = match word {
        "Spawn" | "SpawnLocal" | "Block" | "Drop" => {
            let meant = did_you_mean(word, &POLICIES)?;
            return Some(format!(
                "write `on_cancel = {meant}`, in lower case; or `on_cancel = self::{word}`, if that is a policy type of yours"
            ));
        }
        _ if !word.starts_with(char::is_lowercase) => return None,
        "local" => Some("spawn_local"),
        "spawn_blocking" | "block_in_place" => Some("block"),
        _ => did_you_mean(word, &POLICIES),
    };
    Some(match meant {
        Some(meant) => format!("unknown policy `{word}`: did you mean `{meant}`?"),
        None => format!(
            "unknown policy `{word}`: expected `spawn`, `spawn_local`, `block`, `drop` or the path of a policy type"
        ),
    })
}

/// The error for `spawn-local`.
fn with_a_hyphen(input: ParseStream<'_>) -> Option<syn::Error> {
    let ahead = input.fork();
    let first: Ident = ahead.parse().ok()?;
    let hyphen: Token![-] = ahead.parse().ok()?;
    let last: Ident = ahead.parse().ok()?;
    let policy = format!("{first}_{last}");
    let message = match did_you_mean(&policy, &POLICIES) {
        Some(meant) => {
            format!("a policy's name has no hyphen: did you mean `{meant}`?")
        }
        None => "a policy's name has no hyphen".to_owned(),
    };
    Some(syn::Error::new_spanned(hyphen, message))
}

/// The error for `Retry::new(3)`, `Retry { times: 3 }` and `spawn()`, where `Retry` or `spawn` is the policy.
fn of_a_value(input: ParseStream<'_>) -> Option<syn::Error> {
    let value = input.fork().parse().ok()?;
    let mut path = match &value {
        Expr::Call(call) => written(&call.func),
        Expr::Struct(value) => written(&value.path),
        Expr::MethodCall(_) => "Policy".to_owned(),
        _ => return None,
    };
    if let Some((ty, "new" | "default")) = path.rsplit_once("::") {
        path.truncate(ty.len());
    }
    let message = format!("a policy is a type, not a value: write `on_cancel = {path}`");
    Some(syn::Error::new_spanned(value, message))
}
