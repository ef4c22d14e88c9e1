//! What is borrowed where it can't be: from an argument, from nobody, or from the `self` that the caller has.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{ReceiverKind, Type};

use super::owned::{owned_instead, used_self};
use crate::{
    args::{Args, Policy},
    borrows::{self, Borrow},
    error::Errors,
    function::Function,
    returns::Returns,
    types::ungroup,
    yields::yield_call,
};

/// False if the return type has an elided lifetime, but there is nothing to borrow from: rustc would complain too, but of a lifetime that the policy forbids.
pub(super) fn check_lender(args: &Args, function: &Function, errors: &mut Errors) -> bool {
    let in_background = args.on_cancel.is_static() && function.body.is_some();
    let of_nobody =
        |lent: &Borrow| lent.lifetime.is_none() && borrows::of_arguments(&function.sig).is_empty();
    let lent = borrows::of_output(&function.sig.output).filter(|_| in_background);
    let Some(lent) = lent.filter(of_nobody) else {
        return true;
    };
    errors.at(lent.token, "this resource borrows, but there is no argument that lends it: yield an owned resource, or write `'static` if it lives that long");
    false
}

/// False if what the function borrows doesn't go with its policy, or with its box.
pub(super) fn check_borrows(args: &Args, function: &Function, errors: &mut Errors) -> bool {
    let boxed = args.boxed.as_ref();
    let mistake = borrows_for_the_background(args, function)
        .or_else(|| resource_borrows(args, function))
        .or_else(|| boxed.and_then(|_| borrows::of_box(args, &function.sig).err()));
    errors.check(mistake)
}

/// The ways out that keep a borrow.
const BORROWING_POLICIES: &str = "\n  \
     - block until the teardown is done, on a multi-thread runtime: `#[async_context(on_cancel = block)]`\n  \
     - do without it when cancelled, where `Drop` suffices: `#[async_context(on_cancel = drop)]`";

/// The error for a borrowed argument of a context whose teardown may run in the background.
fn borrows_for_the_background(args: &Args, function: &Function) -> Option<syn::Error> {
    // A trait may leave it to its implementers to own what they need.
    if !args.on_cancel.is_static() || function.body.is_none() || args.own.is_some() {
        return None;
    }
    let borrows = borrows::of_arguments(&function.sig);
    let first = borrows.first()?;
    let owned = owned_instead(function).map_or_else(String::new, |owned| {
        let nothing = if owned.is_empty() {
            ", which is nothing"
        } else {
            ""
        };
        format!("\n  - own what it needs{nothing}: `#[async_context(own({owned}))]`")
    });
    let task = if matches!(args.on_cancel, Policy::SpawnLocal) {
        "task of this thread"
    } else {
        "task"
    };
    let message = format!(
        "this context borrows, but when it is cancelled its teardown becomes a background {task}, which outlives every borrow; either{owned}{BORROWING_POLICIES}"
    );
    Some(syn::Error::new_spanned(&first.token, message))
}

/// The error for a resource that borrows from what the frame doesn't.
fn resource_borrows(args: &Args, function: &Function) -> Option<syn::Error> {
    if !args.is_static() || function.body.is_none() {
        return None;
    }
    let lent = borrows::of_output(&function.sig.output)?;
    let message = if args.own.is_some() {
        "this resource borrows, but with `own` the context has nothing of the caller's to lend: yield an owned resource; \
         or leave `own` out, and say `on_cancel = block` or `on_cancel = drop`"
            .to_owned()
    } else {
        format!(
            "this resource borrows, but when the context is cancelled a background task holds it, which outlives every borrow; either\n  \
             - yield an owned resource{BORROWING_POLICIES}"
        )
    };
    Some(syn::Error::new_spanned(&lent.token, message))
}

/// False if a `self` that the caller has is used after the yield: it can't be `mut`, so that nothing puts it back.
pub(super) fn check_lent_self(
    function: &Function,
    returns: &Returns,
    body: &Group,
    errors: &mut Errors,
) -> bool {
    let receiver = function.sig.receiver().map(|receiver| &receiver.kind);
    let Some(resource) = returns.spelt_resource() else {
        return true;
    };
    // Behind a `&` that was made of it, it may still be read.
    let exclusive = matches!(receiver, Some(ReceiverKind::Reference(_, _, Some(_))))
        && matches!(ungroup(resource), Type::Reference(resource) if resource.mutability.is_some());
    let after = behind_a_yield_of_self(body.stream()).filter(|_| exclusive);
    let Some((this, _)) = after.and_then(used_self) else {
        return true;
    };
    errors.at(this, "what was lent can't be put back into `self`: write `let mut this = self;` in the setup, yield `this`, and use `this` here");
    false
}

/// What comes after `yield_resource!(self)`, where no path leads around that.
fn behind_a_yield_of_self(tokens: TokenStream) -> Option<TokenStream> {
    let tokens = Vec::from_iter(tokens);
    (0..tokens.len()).find_map(|i| {
        let rest = &tokens[i..];
        match (yield_call(rest), rest) {
            (Some((_, resource)), [_, _, _, rest @ ..])
                if resource.stream().to_string() == "self" =>
            {
                Some(rest.iter().cloned().collect())
            }
            (_, [TokenTree::Group(group), rest @ ..]) if group.delimiter() != Delimiter::Brace => {
                let inside = behind_a_yield_of_self(group.stream())?;
                Some(inside.into_iter().chain(rest.iter().cloned()).collect())
            }
            _ => None,
        }
    })
}
