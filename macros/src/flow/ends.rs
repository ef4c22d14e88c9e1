//! What a context function ends in: a value, though the caller got the resource through the yield, or an error that it can't have.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprReturn, GenericArgument, PathArguments, PathSegment, Stmt, Type};

use super::{Owner, Paths, Walk};
use crate::{
    error::written,
    returns::Returns,
    tokens::is_one_of,
    types::{contains_impl, is_named_result, is_unit, last_segment, may_be_an_alias},
    yields::Argument,
};

/// Where a context function ends in a value.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    InTheEnd,
    /// By a `return`, on paths that have yielded, or on others.
    Early(Paths),
}

impl Walk<'_> {
    /// `?` hands an error to the caller, which an infallible context doesn't have.
    pub(super) fn question_mark(&mut self, failing: &syn::ExprTry) {
        let Returns::Plain(ty) = self.returns else {
            return;
        };
        if self.owner != Owner::Function {
            return;
        }
        let message = match last_segment(ty) {
            // An alias that `validate` has reported.
            Some(result) if result.ident == "Result" && contains_impl(ty) => return,
            Some(result) if result.ident == "Result" => {
                "this context is `infallible`, and has no error for `?` to return: leave `infallible` out".to_owned()
            }
            option => match option.and_then(inside_option) {
                Some(ty) => format!("this context has no error for `?` to return, and can't end in `None`: write what it can fail with, `-> Result<{}, YourError>`, and `.ok_or(…)?` on an `Option`", written(ty)),
                None => format!("this context has no error for `?` to return: write what it can fail with, `-> Result<{}, YourError>`, or `#[async_context(fallible)]` if an alias hides that", written(ty)),
            },
        };
        self.report(failing.question_token, &message);
    }

    /// A `return`, with or without a value.
    pub(super) fn returns_early(&mut self, end: &ExprReturn, paths: Paths) {
        if self.owner != Owner::Function {
            return;
        }
        if let Some(value) = &end.expr {
            self.returned(value, Ends::Early(paths));
        }
        if !self.passed && self.is_success(end) {
            self.report(end, &succeeds_without_a_yield(self.returns));
        }
    }

    /// Whether this is surely a success.
    fn is_success(&self, end: &ExprReturn) -> bool {
        match (self.returns, end.expr.as_deref()) {
            (Returns::Plain(_), None) => true,
            (Returns::Result { .. } | Returns::Alias(_), Some(Expr::Call(call))) => {
                variant(&call.func, &["Ok"]).is_some()
            }
            _ => false,
        }
    }

    /// A value that a context function ends in.
    pub(super) fn returned(&mut self, end: &Expr, ends: Ends) {
        self.returned_result(end, ends);
        self.returned_resource(end, ends);
    }

    /// `Ok(())`, `Err(error)`, `None` or `Some(tx)` in a context that can't fail: as its end, as that of a branch there, or in a `return`.
    fn returned_result(&mut self, end: &Expr, ends: Ends) {
        let Returns::Plain(ty) = self.returns else {
            return;
        };
        let variant = match end {
            Expr::Call(call) => variant(&call.func, &["Ok", "Err", "Some"]),
            Expr::Path(_) => variant(end, &["None"]),
            _ => {
                ends_of_branches(end)
                    .into_iter()
                    .for_each(|end| self.returned_result(end, ends));
                return;
            }
        };
        let Some(variant) = variant else {
            return;
        };
        let is_option = last_segment(ty).is_some_and(|segment| segment.ident == "Option");
        if is_option && (variant == "None" || variant == "Some") {
            self.report(end, &resource_returned(end, ends, self.returns));
        } else {
            self.report(variant, &cannot_fail(ty, ends));
        }
    }

    /// `Ok(tx)` at the end or in a `return`, where `tx` is what is yielded.
    fn returned_resource(&mut self, end: &Expr, ends: Ends) {
        let value = match (self.returns, end) {
            (Returns::Result { .. } | Returns::Alias(_), Expr::Call(call)) => {
                let ok = matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Ok"));
                match call.args.first() {
                    Some(value) if ok && call.args.len() == 1 => value,
                    _ => return,
                }
            }
            (Returns::Plain(_), value) => value,
            _ => return,
        };
        let resource_is_unit = self.returns.spelt_resource().is_some_and(is_unit);
        let text = value.to_token_stream().to_string();
        let yielded = self.yields.points.iter().any(|point| matches!(&point.argument, Argument::Place(place) if place.to_token_stream().to_string() == text));
        let fallible_value = !matches!(self.returns, Returns::Plain(_)) && is_never_unit(value);
        if (yielded && !resource_is_unit) || fallible_value {
            self.report(value, &resource_returned(value, ends, self.returns));
        }
    }
}

/// `T`, of `Option<T>`.
fn inside_option(segment: &PathSegment) -> Option<&GenericArgument> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) if segment.ident == "Option" => {
            arguments.args.first()
        }
        _ => None,
    }
}

fn resource_returned(value: &Expr, ends: Ends, returns: &Returns) -> String {
    let yields_first = format!(
        "a context function yields its resource instead of returning it: write `let _ = yield_resource!({});` before a",
        written(value)
    );
    let got = "the caller got the resource through the yield:";
    match (ends, returns) {
        (Ends::InTheEnd, Returns::Plain(_)) => {
            format!("{got} a context function ends without a value")
        }
        (Ends::InTheEnd, _) => {
            format!("{got} a context function ends in `Ok(())`, or without a value")
        }
        (Ends::Early(Paths { yielded: true }), Returns::Plain(_)) => {
            format!("{got} write `return`")
        }
        (Ends::Early(Paths { yielded: true }), _) => format!("{got} write `return Ok(())`"),
        (Ends::Early(_), Returns::Plain(_)) => format!("{yields_first} `return`"),
        (Ends::Early(_), _) => format!("{yields_first} `return Ok(())`"),
    }
}

fn succeeds_without_a_yield(returns: &Returns) -> String {
    let error = match returns {
        Returns::Plain(ty) => format!(
            "write `-> Result<{}, YourError>`, and return an error here",
            written(ty)
        ),
        Returns::Result { .. } | Returns::Alias(_) => "return an error here".to_owned(),
    };
    format!(
        "this succeeds without a yield, which would panic, since the caller waits for the resource: {error}, or go on to the yield, of an `Option` if there may be nothing to lend"
    )
}

fn cannot_fail(ty: &Type, ends: Ends) -> String {
    let instead = match ends {
        Ends::InTheEnd => ", or end without a value",
        Ends::Early(Paths { yielded: true }) => ", or `return` alone",
        Ends::Early(_) => "",
    };
    if is_named_result(ty) {
        return format!("`infallible` says that this context can't fail: leave it out{instead}");
    }
    let ty_written = written(ty);
    let advice =
        format!("this context can't fail: write `-> Result<{ty_written}, YourError>`{instead}");
    if may_be_an_alias(ty) {
        format!(
            "{advice}; if `{ty_written}` is a `Result` by another name, write `#[async_context(fallible)]`"
        )
    } else {
        advice
    }
}

/// The name, if it is one of `known`.
fn variant<'e>(path: &'e Expr, known: &[&str]) -> Option<&'e Ident> {
    let Expr::Path(path) = path else {
        return None;
    };
    let name = path.path.get_ident()?;
    is_one_of(name, known).then_some(name)
}

/// The expression at the end of a block.
pub(super) fn value_of(statements: &[Stmt]) -> Option<&Expr> {
    match statements.last() {
        Some(Stmt::Expr(last, None)) => Some(last),
        _ => None,
    }
}

/// Where the value of an `if`, a `match` or a block comes from.
fn ends_of_branches(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Block(expr) => value_of(&expr.block.stmts).into_iter().collect(),
        Expr::If(expr) => {
            let otherwise = expr.else_branch.as_ref().map(|(_, otherwise)| &**otherwise);
            value_of(&expr.then_branch.stmts)
                .into_iter()
                .chain(otherwise)
                .collect()
        }
        Expr::Match(expr) => expr.arms.iter().map(|arm| &*arm.body).collect(),
        _ => Vec::new(),
    }
}

fn is_never_unit(value: &Expr) -> bool {
    match value {
        Expr::Lit(_)
        | Expr::Struct(_)
        | Expr::Array(_)
        | Expr::Repeat(_)
        | Expr::Reference(_)
        | Expr::Closure(_) => true,
        Expr::Tuple(tuple) => !tuple.elems.is_empty(),
        _ => false,
    }
}
