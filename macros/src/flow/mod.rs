//! Mistakes in the order of things: two yields on one path, a yield in a loop, in a plain closure, in a task; a resource that is returned, or
//! used where it can't be; a `?` where nothing can fail. Only here is the body parsed, and only where its tokens make it suspect.
//!
//! What is reported is certain: what might be right is left to rustc, whose "use of moved value" covers every second yield.

use std::mem;

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, BinOp, Block, Expr, ExprAsync, ExprClosure, ExprIf, ExprMatch, Macro, Stmt,
    parse::{ParseStream, Parser},
};

use crate::{
    error::Errors,
    known::{SELECTS, TIMEOUTS, YIELD, is_transparent},
    returns::Returns,
    tokens::{contains, contains_any, contains_word, is_configured, is_one_of, is_punct},
    types::name_of,
    yields::{Fixed, YieldPoint, Yields},
};

mod ends;
mod loops;
mod lost;
mod macros;
mod tasks;
#[cfg(test)]
mod tests;

use ends::{Ends, value_of};
use macros::Select;

/// False if something was found.
pub(crate) fn check(body: &Group, returns: &Returns, yields: &Yields, errors: &mut Errors) -> bool {
    if !is_suspect(body, returns, yields) {
        return true;
    }
    // A half-typed body is rustc's.
    let Ok(statements) = Block::parse_within.parse2(body.stream()) else {
        return true;
    };
    let mut walk = Walk {
        errors,
        returns,
        yields,
        configured: is_configured(body.stream()),
        found: false,
        owner: Owner::Function,
        continued: false,
        passed: false,
    };
    walk.statements(&statements, Paths::START);
    if let (false, Some(end)) = (walk.found, value_of(&statements)) {
        if !walk.may_be_absent(end) {
            walk.returned(end, Ends::InTheEnd);
        }
    }
    if !walk.found && !walk.configured {
        walk.lost_resources(&statements);
    }
    !walk.found
}

/// Whether the tokens leave room for one of these mistakes.
fn is_suspect(body: &Group, returns: &Returns, yields: &Yields) -> bool {
    let is_nested = |point: &YieldPoint| {
        let inside = point.inside;
        inside.repeated || inside.closure || inside.spawned || inside.is_wrapped()
    };
    let has_question_mark = || contains(body.stream(), &|token| is_punct(token, '?'));
    yields.points.len() > 1
        || contains_any(body, &TIMEOUTS)
        || yields.points.iter().any(is_nested)
        || may_end_in_a_value(body)
        || contains_word(body.stream(), "return")
        || (matches!(returns, Returns::Plain(_))
            && (has_question_mark() || may_end_in_a_result(body)))
}

/// Whether the last token leaves a value, other than `Ok(())`.
fn may_end_in_a_value(body: &Group) -> bool {
    let tokens = Vec::from_iter(body.stream());
    match tokens.as_slice() {
        [.., TokenTree::Ident(ok), TokenTree::Group(value)] if ok == "Ok" => {
            value.stream().to_string() != "()"
        }
        [.., TokenTree::Ident(_)] => true,
        _ => false,
    }
}

/// Whether the last expression may be `Ok(…)` or its like.
fn may_end_in_a_result(body: &Group) -> bool {
    let last = body.stream().into_iter().last();
    let is_statement = last.is_some_and(|last| is_punct(&last, ';'));
    !is_statement && contains_any(body, &["Ok", "Err", "Some", "None"])
}

/// The paths that lead to a place in the body.
#[derive(Clone, Copy)]
struct Paths {
    /// Whether one of them has yielded.
    yielded: bool,
}

impl Paths {
    const START: Paths = Paths { yielded: false };
    /// There are none: a `return` is in front of it, or something that we know too little about.
    const NONE: Paths = Paths { yielded: false };

    fn or(self, other: Paths) -> Paths {
        Paths {
            yielded: self.yielded || other.yielded,
        }
    }
}

/// What a `return` or a `?` would end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The context function itself.
    Function,
    /// An `async` block or an `async` closure.
    Async,
    /// A closure that isn't `async`.
    PlainClosure,
}

struct Walk<'e> {
    errors: &'e mut Errors,
    returns: &'e Returns,
    yields: &'e Yields,
    /// Whether some of the body may be absent because of a `#[cfg]`.
    configured: bool,
    /// One mistake, one message.
    found: bool,
    /// Of the code that is being walked.
    owner: Owner,
    /// A `continue` of the innermost loop comes after a yield.
    continued: bool,
    /// There is a yield in front of this, on whatever path.
    passed: bool,
}

impl Walk<'_> {
    fn report(&mut self, tokens: impl ToTokens, message: &str) {
        if !self.found {
            self.errors.at(tokens, message);
            self.found = true;
        }
    }

    fn statements(&mut self, statements: &[Stmt], mut paths: Paths) -> Paths {
        for statement in statements {
            paths = match statement {
                _ if self.may_be_absent(statement) => {
                    self.pass(statement);
                    Paths::NONE
                }
                Stmt::Local(local) => match &local.init {
                    Some(init) => {
                        let paths = self.expr(&init.expr, paths);
                        if let Some((_, diverge)) = &init.diverge {
                            self.expr(diverge, paths);
                        }
                        paths
                    }
                    None => paths,
                },
                Stmt::Expr(expr, _) => self.expr(expr, paths),
                Stmt::Macro(statement) => self.macro_call(&statement.mac, paths),
                // Its yields are its own, except those of a macro, which are wherever it is called.
                Stmt::Item(item) => {
                    self.pass(item);
                    paths
                }
            };
        }
        paths
    }

    /// Whether a `#[cfg]` stands in front of this: what comes of it only rustc knows.
    fn may_be_absent(&self, code: impl ToTokens) -> bool {
        self.configured && begins_with_cfg(code.to_token_stream())
    }

    fn expr(&mut self, expr: &Expr, paths: Paths) -> Paths {
        if self.may_be_absent(expr) {
            self.pass(expr);
            return Paths::NONE;
        }
        match expr {
            Expr::Macro(expr) => self.macro_call(&expr.mac, paths),
            Expr::Block(expr) => self.statements(&expr.block.stmts, paths),
            Expr::Unsafe(expr) => self.statements(&expr.block.stmts, paths),
            Expr::If(expr) => self.if_else(expr, paths),
            Expr::Match(expr) => self.arms(expr, paths),
            Expr::Loop(expr) => self.repeated(None, &expr.body, paths),
            Expr::While(expr) => self.repeated(Some(&expr.cond), &expr.body, paths),
            Expr::ForLoop(expr) => {
                let paths = self.expr(&expr.expr, paths);
                self.repeated(None, &expr.body, paths)
            }
            Expr::Closure(expr) => self.closure(expr, paths),
            Expr::Async(expr) => self.async_block(expr, paths),
            Expr::Binary(expr) if matches!(expr.op, BinOp::And(_) | BinOp::Or(_)) => {
                let paths = self.expr(&expr.left, paths);
                self.expr(&expr.right, paths).or(paths)
            }
            Expr::Call(call) => {
                self.function_call(call);
                self.operands(expr, paths)
            }
            Expr::MethodCall(call) => {
                self.method_call(call);
                self.operands(expr, paths)
            }
            Expr::Try(failing) => {
                let paths = self.operands(expr, paths);
                self.question_mark(failing);
                paths
            }
            Expr::Return(end) => {
                let paths = self.operands(expr, paths);
                self.returns_early(end, paths);
                Paths::NONE
            }
            Expr::Break(_) => {
                self.operands(expr, paths);
                Paths::NONE
            }
            Expr::Continue(expr) => {
                self.continued |= expr.label.is_none() && paths.yielded;
                Paths::NONE
            }
            _ => {
                let paths = self.operands(expr, paths);
                if self.configured || operands(expr).is_empty() {
                    self.pass(expr);
                }
                paths
            }
        }
    }

    fn if_else(&mut self, expr: &ExprIf, paths: Paths) -> Paths {
        let paths = self.expr(&expr.cond, paths);
        let then = self.branch(&expr.then_branch, paths);
        let otherwise = match &expr.else_branch {
            Some((_, otherwise)) => self.arm(otherwise, paths),
            None => paths,
        };
        then.or(otherwise)
    }

    fn arms(&mut self, expr: &ExprMatch, paths: Paths) -> Paths {
        let paths = self.expr(&expr.expr, paths);
        // Its guards are among the patterns.
        expr.arms.iter().for_each(|arm| self.pass(&arm.pat));
        if self.configured {
            self.pass(expr);
        }
        expr.arms
            .iter()
            .filter(|arm| !arm.attrs.iter().any(is_cfg))
            .map(|arm| self.arm(&arm.body, paths))
            .fold(Paths::NONE, Paths::or)
    }

    fn closure(&mut self, expr: &ExprClosure, paths: Paths) -> Paths {
        let owner = match expr.asyncness {
            Some(_) => Owner::Async,
            None => Owner::PlainClosure,
        };
        self.nested(owner, |walk| walk.expr(&expr.body, paths));
        self.captured(&expr.body, paths)
    }

    fn async_block(&mut self, expr: &ExprAsync, paths: Paths) -> Paths {
        self.nested(Owner::Async, |walk| {
            walk.statements(&expr.block.stmts, paths)
        });
        self.captured(&expr.block, paths)
    }

    fn nested(&mut self, owner: Owner, walk: impl FnOnce(&mut Self) -> Paths) {
        let outer = mem::replace(&mut self.owner, owner);
        walk(self);
        self.owner = outer;
    }

    /// Notes a yield in code that isn't walked.
    fn pass(&mut self, code: impl ToTokens) {
        self.passed = self.passed || contains_word(code, YIELD);
    }

    fn operands(&mut self, expr: &Expr, paths: Paths) -> Paths {
        self.in_order(operands(expr), paths)
    }

    fn in_order<'x>(&mut self, parts: impl IntoIterator<Item = &'x Expr>, paths: Paths) -> Paths {
        parts
            .into_iter()
            .fold(paths, |paths, part| self.expr(part, paths))
    }

    fn yield_point(&mut self, call: impl ToTokens, paths: Paths) -> Paths {
        self.passed = true;
        if self.owner == Owner::PlainClosure {
            self.report(call, "a yield waits for the caller's body, which a closure can't do unless it is `async`: write `async ||`");
        } else if paths.yielded {
            self.report(
                call,
                "this is the second yield on one path, but a context yields once: to lend two things, yield a tuple; to lend another after the first, write another context",
            );
        }
        Paths { yielded: true }
    }

    fn branch(&mut self, block: &Block, paths: Paths) -> Paths {
        let paths = self.statements(&block.stmts, paths);
        if may_diverge_at_its_end(block) {
            Paths::NONE
        } else {
            paths
        }
    }

    fn arm(&mut self, body: &Expr, paths: Paths) -> Paths {
        let paths = self.expr(body, paths);
        if may_diverge(body) {
            Paths::NONE
        } else {
            paths
        }
    }

    /// Behind a closure or an `async` block: it has moved the handle into itself, whether it runs or not.
    fn captured(&mut self, code: impl ToTokens, paths: Paths) -> Paths {
        let captured = !certain_points(code.to_token_stream()).is_empty();
        Paths {
            yielded: paths.yielded || captured,
        }
    }
}

/// The yields in `code`, unless a `#[cfg]` among them makes that uncertain.
fn certain_points(code: TokenStream) -> Vec<YieldPoint> {
    if is_configured(code.clone()) {
        return Vec::new();
    }
    Yields::find(code, Fixed::default()).points
}

fn begins_with_cfg(code: TokenStream) -> bool {
    let attributes = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>()?;
        Ok(attributes)
    };
    attributes
        .parse2(code)
        .is_ok_and(|attributes| attributes.iter().any(is_cfg))
}

fn is_cfg(attribute: &Attribute) -> bool {
    let path = attribute.path();
    path.is_ident("cfg") || path.is_ident("cfg_attr")
}

/// The operands of an expression, in the order in which they are evaluated; none of those expressions that have rules of their own.
fn operands(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Array(expr) => expr.elems.iter().collect(),
        Expr::Assign(expr) => vec![&expr.right, &expr.left],
        Expr::Await(expr) => vec![&expr.base],
        Expr::Binary(expr) => vec![&expr.left, &expr.right],
        Expr::Break(expr) => expr.expr.as_deref().into_iter().collect(),
        Expr::Call(expr) => [&*expr.func].into_iter().chain(&expr.args).collect(),
        Expr::Cast(expr) => vec![&expr.expr],
        Expr::Field(expr) => vec![&expr.base],
        Expr::Group(expr) => vec![&expr.expr],
        Expr::Index(expr) => vec![&expr.expr, &expr.index],
        Expr::Let(expr) => vec![&expr.expr],
        Expr::MethodCall(expr) => [&*expr.receiver].into_iter().chain(&expr.args).collect(),
        Expr::Paren(expr) => vec![&expr.expr],
        Expr::Range(expr) => expr
            .start
            .as_deref()
            .into_iter()
            .chain(expr.end.as_deref())
            .collect(),
        Expr::RawAddr(expr) => vec![&expr.expr],
        Expr::Reference(expr) => vec![&expr.expr],
        Expr::Repeat(expr) => vec![&expr.expr],
        Expr::Return(expr) => expr.expr.as_deref().into_iter().collect(),
        Expr::Struct(expr) => expr
            .fields
            .iter()
            .filter(|field| !field.attrs.iter().any(is_cfg))
            .map(|field| &field.expr)
            .chain(expr.rest.as_deref())
            .collect(),
        Expr::Try(expr) => vec![&expr.expr],
        Expr::Tuple(expr) => expr.elems.iter().collect(),
        Expr::Unary(expr) => vec![&expr.expr],
        _ => Vec::new(),
    }
}

/// Whether this, at the end of a branch, may be a call that never returns.
fn may_diverge(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Await(_) => true,
        Expr::Macro(expr) => is_foreign(&expr.mac),
        Expr::Loop(_) => true,
        Expr::Paren(expr) => may_diverge(&expr.expr),
        Expr::Group(expr) => may_diverge(&expr.expr),
        Expr::Block(expr) => may_diverge_at_its_end(&expr.block),
        Expr::Unsafe(expr) => may_diverge_at_its_end(&expr.block),
        _ => false,
    }
}

fn may_diverge_at_its_end(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(last, _)) => may_diverge(last),
        Some(Stmt::Macro(last)) => is_foreign(&last.mac),
        _ => false,
    }
}

fn is_foreign(call: &Macro) -> bool {
    name_of(&call.path).is_none_or(|name| {
        let is_known = is_transparent(name)
            || (is_one_of(name, &SELECTS) && Select::new(call.tokens.clone()).is_some());
        name != YIELD && !is_known
    })
}
