//! What nothing can be put back into, as the signature tells.

use proc_macro2::{Ident, TokenStream};
use syn::{Expr, ReceiverKind};

use super::argument::root;
use crate::{
    args::Args, bindings::may_be_bound, borrows::argument_by_reference, function::Function,
};

/// The variables of a context function that can't be assigned to.
#[derive(Clone, Default)]
pub(crate) struct Fixed {
    /// Constants of the generics, and a `self` that isn't `mut`.
    variables: Vec<Ident>,
    /// Those whose parts can't be assigned to: they are behind a `&`, or not `mut` either.
    parts: Vec<Ident>,
}

impl Fixed {
    /// Of a context function with this body.
    pub(crate) fn of(function: &Function, args: &Args, body: &TokenStream) -> Fixed {
        let constants = function.sig.generics.const_params();
        let mut fixed = Fixed {
            variables: constants.map(|constant| constant.ident.clone()).collect(),
            parts: Vec::new(),
        };
        if let Some(receiver) = function.sig.receiver() {
            let this = Ident::from(receiver.self_token);
            let borrowed = matches!(receiver.kind, ReceiverKind::Reference(..));
            if borrowed || function.has_fixed_self() {
                fixed.variables.push(this.clone());
            }
            if function.has_fixed_self() {
                fixed.parts.push(this);
            }
        }
        for (pat, reference) in function.sig.inputs.iter().filter_map(argument_by_reference) {
            let name = &pat.ident;
            let shared = pat.by_ref.is_none() && reference.mutability.is_none();
            if shared && !args.owns(name) && !may_be_bound(name, body.clone()) {
                fixed.parts.push(name.clone());
            }
        }
        fixed
    }

    pub(super) fn holds(&self, place: &Expr) -> bool {
        let Some(root) = root(place) else {
            return false;
        };
        match place {
            Expr::Paren(place) => self.holds(&place.expr),
            Expr::Group(place) => self.holds(&place.expr),
            Expr::Path(_) => self.variables.contains(root),
            _ => self.parts.contains(root),
        }
    }
}
