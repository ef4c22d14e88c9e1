//! What nothing can be put back into, as the signature tells.

use proc_macro2::{Ident, TokenStream};
use syn::{Expr, ReceiverKind};

use super::argument::root;
use crate::{
    args::Args, bindings::may_be_bound, borrows::argument_by_reference, function::Function,
};

/// The names of these.
#[derive(Clone, Default)]
pub(crate) struct Fixed {
    /// Constants of the generics, and a `self` that isn't `mut`.
    names: Vec<Ident>,
    /// Those whose parts are behind a `&`, or not `mut` either.
    whole: Vec<Ident>,
}

impl Fixed {
    /// Of a context function with this body.
    pub(crate) fn of(function: &Function, args: &Args, body: &TokenStream) -> Fixed {
        let constants = function.sig.generics.const_params();
        let mut fixed = Fixed {
            names: constants.map(|constant| constant.ident.clone()).collect(),
            whole: Vec::new(),
        };
        if let Some(receiver) = function.sig.receiver() {
            let this = Ident::from(receiver.self_token);
            let borrowed = matches!(receiver.kind, ReceiverKind::Reference(..));
            if borrowed || function.has_fixed_self() {
                fixed.names.push(this.clone());
            }
            if function.has_fixed_self() {
                fixed.whole.push(this);
            }
        }
        for (pat, reference) in function.sig.inputs.iter().filter_map(argument_by_reference) {
            let name = &pat.ident;
            let shared = pat.by_ref.is_none() && reference.mutability.is_none();
            if shared && !args.owns(name) && !may_be_bound(name, body.clone()) {
                fixed.whole.push(name.clone());
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
            Expr::Path(_) => self.names.contains(root),
            _ => self.whole.contains(root),
        }
    }
}
