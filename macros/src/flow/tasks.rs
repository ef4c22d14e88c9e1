//! What takes its arguments to another task, or expects a future among them.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Expr, ExprCall, ExprMethodCall};

use super::{Walk, certain_points};
use crate::{
    error::written,
    known::{SPAWNS, TIMEOUTS, YIELD},
    tokens::is_one_of,
    types::name_of,
};

impl Walk<'_> {
    pub(super) fn function_call(&mut self, call: &ExprCall) {
        let Expr::Path(path) = &*call.func else {
            return;
        };
        let Some(name) = name_of(&path.path) else {
            return;
        };
        if is_one_of(name, &SPAWNS) {
            self.spawned(name, call.args.to_token_stream());
        }
        if is_one_of(name, &TIMEOUTS) && call.args.len() == 2 {
            self.bare_yield(&call.args[1], &name.to_string());
        }
    }

    pub(super) fn method_call(&mut self, call: &ExprMethodCall) {
        // Not `spawn`: a scope's tasks may borrow.
        if call.method != "spawn" && is_one_of(&call.method, &SPAWNS) {
            self.spawned(&call.method, call.args.to_token_stream());
        }
    }

    fn spawned(&mut self, spawn: &Ident, arguments: TokenStream) {
        if let Some(point) = certain_points(arguments).first() {
            self.report(
                point,
                &format!("the yield point can't leave the context function, as `{spawn}` would have it: yield here, and `{spawn}` what is to run beside the caller's body"),
            );
        }
    }

    /// A yield that stands where a future is expected.
    pub(super) fn bare_yield(&mut self, future: &Expr, polled_by: &str) {
        let Expr::Macro(point) = future else {
            return;
        };
        if name_of(&point.mac.path).is_none_or(|name| name != YIELD) {
            return;
        }
        let message = format!(
            "this yields before `{polled_by}` has a future to poll: write `async {{ {} }}`",
            written(point)
        );
        self.report(point, &message);
    }
}
