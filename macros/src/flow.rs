//! Mistakes in the order of things: two yields on one path, a yield in a loop, in a plain closure, in a task; a resource that is returned, or
//! used where it can't be; a `?` where nothing can fail. Only here is the body parsed, and only where its tokens make it suspect.
//!
//! What is reported is certain: what might be right is left to rustc, whose "use of moved value" covers every second yield.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, Block, Expr, GenericArgument, Macro, PathArguments, PathSegment, Stmt, Type,
    parse::{ParseStream, Parser},
};

use crate::{
    arguments::{Select, expressions},
    error::{Errors, written},
    known::{JOINS, PANICS, SELECTS, SPAWNS, TIMEOUTS, is_transparent},
    signature::{Returns, contains_impl, last_segment, may_be_an_alias, ungroup},
    tokens::{
        begins_async_block, contains, contains_word, is_one_of, is_punct, regroup, turbofish,
    },
    yields::{Argument, Fixed, YieldPoint, Yields, root},
};

/// False if something was found.
pub(crate) fn check(body: &Group, returns: &Returns, yields: &Yields, errors: &mut Errors) -> bool {
    let inside = |point: &YieldPoint| {
        let inside = point.inside;
        inside.repeated || inside.closure || inside.spawned || inside.is_wrapped()
    };
    let plain = matches!(returns, Returns::Plain(_));
    let times_out = |name: &&str| contains_word(body.stream(), name);
    let suspect = yields.points.len() > 1
        || TIMEOUTS.iter().any(times_out)
        || yields.points.iter().any(inside)
        || may_end_in_a_value(body)
        || contains_word(body.stream(), "return")
        || (plain && contains_question_mark(body.stream()))
        || (plain && may_end_in_a_result(body));
    if !suspect {
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
        plain_closure: false,
        nested: false,
    };
    walk.statements(&statements, Paths::START);
    if let (false, Some(Stmt::Expr(last, None))) = (walk.found, statements.last()) {
        if !walk.may_be_absent(last) {
            walk.returned_result(last, Ends::InTheEnd);
            walk.returned_resource(last, Ends::InTheEnd);
        }
    }
    if !walk.found && !walk.configured {
        walk.lost_resources(&statements);
    }
    !walk.found
}

/// Whether there is a `?` anywhere.
fn contains_question_mark(tokens: TokenStream) -> bool {
    contains(tokens, &|token| is_punct(token, '?'))
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
    let statement = matches!(last, Some(TokenTree::Punct(punct)) if punct.as_char() == ';');
    !statement
        && ["Ok", "Err", "Some", "None"]
            .iter()
            .any(|variant| contains_word(body.stream(), variant))
}

/// The paths that lead to a place in the body.
#[derive(Clone, Copy)]
struct Paths {
    /// Whether one of them has yielded.
    yielded: bool,
}

impl Paths {
    const START: Paths = Paths { yielded: false };
    /// There are none: a `return` is before it, or something that we know too little of.
    const NONE: Paths = Paths { yielded: false };

    fn or(self, other: Paths) -> Paths {
        Paths {
            yielded: self.yielded || other.yielded,
        }
    }
}

/// Where a context function ends in a value.
#[derive(Clone, Copy)]
enum Ends {
    InTheEnd,
    /// By a `return`, on paths that have yielded, or on others.
    Early(Paths),
}

struct Walk<'e> {
    errors: &'e mut Errors,
    returns: &'e Returns,
    yields: &'e Yields,
    /// Whether some of the body may be absent for a `#[cfg]`.
    configured: bool,
    /// One mistake, one message.
    found: bool,
    /// Inside a closure that isn't `async`.
    plain_closure: bool,
    /// Inside a closure or an `async` block, whose `return` and `?` are its own.
    nested: bool,
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
                _ if self.may_be_absent(statement) => Paths::NONE,
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
                // Its yields are its own.
                Stmt::Item(_) => paths,
            };
        }
        paths
    }

    /// Whether there is a `#[cfg]` before this: rustc decides, and knows more of it.
    fn may_be_absent(&self, code: impl ToTokens) -> bool {
        self.configured && begins_with_cfg(code.to_token_stream())
    }

    fn expr(&mut self, expr: &Expr, paths: Paths) -> Paths {
        match expr {
            _ if self.may_be_absent(expr) => Paths::NONE,
            Expr::Macro(expr) => self.macro_call(&expr.mac, paths),
            Expr::If(expr) => {
                let paths = self.expr(&expr.cond, paths);
                let then = self.branch(&expr.then_branch, paths);
                let otherwise = match &expr.else_branch {
                    Some((_, otherwise)) => self.arm(otherwise, paths),
                    None => paths,
                };
                then.or(otherwise)
            }
            Expr::Match(expr) => {
                let paths = self.expr(&expr.expr, paths);
                expr.arms
                    .iter()
                    .filter(|arm| !arm.attrs.iter().any(is_cfg))
                    .map(|arm| self.arm(&arm.body, paths))
                    .fold(Paths::NONE, Paths::or)
            }
            Expr::Loop(expr) => self.repeated(None, &expr.body, paths),
            Expr::While(expr) => self.repeated(Some(&expr.cond), &expr.body, paths),
            Expr::ForLoop(expr) => {
                let paths = self.expr(&expr.expr, paths);
                self.repeated(None, &expr.body, paths)
            }
            Expr::Closure(expr) => {
                self.within(expr.asyncness.is_none(), |walk| {
                    walk.expr(&expr.body, paths);
                });
                // It has moved the handle into itself, whether it is called or not.
                self.captured(&expr.body, paths)
            }
            Expr::Async(expr) => {
                self.within(false, |walk| {
                    walk.statements(&expr.block.stmts, paths);
                });
                self.captured(&expr.block, paths)
            }
            Expr::Call(call) => {
                let called = match &*call.func {
                    Expr::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
                    _ => None,
                };
                if let Some(spawn) = called.filter(|name| is_one_of(name, &SPAWNS)) {
                    self.spawned(spawn, call.args.to_token_stream());
                }
                let timeout = called.filter(|name| is_one_of(name, &TIMEOUTS));
                if let (Some(timeout), 2) = (timeout, call.args.len()) {
                    self.bare_yield(&call.args[1], &timeout.to_string());
                }
                self.each(expr, paths)
            }
            Expr::MethodCall(call) => {
                // Not `spawn`: a scope's tasks may borrow.
                if call.method != "spawn" && is_one_of(&call.method, &SPAWNS) {
                    self.spawned(&call.method, call.args.to_token_stream());
                }
                self.each(expr, paths)
            }
            Expr::Binary(expr) if matches!(expr.op, syn::BinOp::And(_) | syn::BinOp::Or(_)) => {
                let paths = self.expr(&expr.left, paths);
                self.expr(&expr.right, paths).or(paths)
            }
            Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => {
                let paths = self.each(expr, paths);
                if let (
                    false,
                    Expr::Return(syn::ExprReturn {
                        expr: Some(value), ..
                    }),
                ) = (self.nested, expr)
                {
                    self.returned_result(value, Ends::Early(paths));
                    self.returned_resource(value, Ends::Early(paths));
                }
                Paths::NONE
            }
            Expr::Try(failing) => {
                let paths = self.each(expr, paths);
                self.question_mark(failing);
                paths
            }
            Expr::Block(expr) => self.statements(&expr.block.stmts, paths),
            Expr::Unsafe(expr) => self.statements(&expr.block.stmts, paths),
            _ => self.each(expr, paths),
        }
    }

    /// Walks what is inside of a closure or an `async` block.
    fn within(&mut self, plain_closure: bool, walk: impl FnOnce(&mut Self)) {
        let outer = (self.plain_closure, self.nested);
        (self.plain_closure, self.nested) = (plain_closure, true);
        walk(self);
        (self.plain_closure, self.nested) = outer;
    }

    /// The parts of an expression that are evaluated one after the other.
    fn each(&mut self, expr: &Expr, paths: Paths) -> Paths {
        self.in_order(parts(expr), paths)
    }

    fn in_order<'x>(&mut self, parts: impl IntoIterator<Item = &'x Expr>, paths: Paths) -> Paths {
        parts
            .into_iter()
            .fold(paths, |paths, part| self.expr(part, paths))
    }

    fn macro_call(&mut self, call: &Macro, paths: Paths) -> Paths {
        let Some(name) = name_of(call) else {
            return paths;
        };
        if name == "yield_resource" {
            let resource = expressions(without_move(call.tokens.clone())).unwrap_or_default();
            let paths = self.in_order(&resource, paths);
            return self.yield_point(call, paths);
        }
        if is_one_of(name, &JOINS) {
            return self.join(name, call, paths);
        }
        if !is_transparent(name) {
            return paths;
        }
        let paths = match expressions(call.tokens.clone()) {
            Some(arguments) => self.in_order(&arguments, paths),
            None => self.points_among(call.tokens.clone(), paths),
        };
        if is_one_of(name, &PANICS) {
            Paths::NONE
        } else {
            paths
        }
    }

    /// Where there is more than expressions: the pattern of `matches!`.
    fn points_among(&mut self, tokens: TokenStream, paths: Paths) -> Paths {
        certain_points(tokens)
            .iter()
            .filter(|point| !point.inside.is_wrapped())
            .fold(paths, |paths, point| self.yield_point(point, paths))
    }

    /// All futures of a `join!` or `select!` are made before one is polled, then one of the handlers is run.
    fn join(&mut self, name: &Ident, call: &Macro, paths: Paths) -> Paths {
        if !is_one_of(name, &SELECTS) {
            let futures = expressions(call.tokens.clone()).unwrap_or_default();
            return self.futures(&futures, name, paths);
        }
        let Some(select) = Select::new(call.tokens.clone()) else {
            return paths;
        };
        let paths = self.in_order(&select.conditions, paths);
        let paths = self.futures(&select.futures, name, paths);
        select
            .handlers
            .iter()
            .map(|handler| match handler {
                // What never ends may have been awaited.
                Expr::Path(_) => Paths::NONE,
                _ => self.arm(handler, paths),
            })
            .fold(Paths::NONE, Paths::or)
    }

    fn futures(&mut self, futures: &[Expr], name: &Ident, paths: Paths) -> Paths {
        for future in futures {
            self.bare_yield(future, &format!("{name}!"));
        }
        self.in_order(futures, paths)
    }

    /// A yield that stands where a future is expected.
    fn bare_yield(&mut self, future: &Expr, polled_by: &str) {
        let point = match future {
            Expr::Macro(call)
                if name_of(&call.mac).is_some_and(|name| name == "yield_resource") =>
            {
                call
            }
            _ => return,
        };
        let message = format!(
            "this yields before `{polled_by}` has a future to poll: write `async {{ {} }}`",
            written(point)
        );
        self.report(point, &message);
    }

    fn yield_point(&mut self, call: impl ToTokens, paths: Paths) -> Paths {
        if self.plain_closure {
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
        match body {
            Expr::Block(expr) => self.branch(&expr.block, paths),
            _ => {
                let paths = self.expr(body, paths);
                if may_diverge(body) {
                    Paths::NONE
                } else {
                    paths
                }
            }
        }
    }

    fn captured(&mut self, code: impl ToTokens, paths: Paths) -> Paths {
        let captured = !certain_points(code.to_token_stream()).is_empty();
        Paths {
            yielded: paths.yielded || captured,
        }
    }

    /// A loop: its yields need a way out behind them.
    fn repeated(&mut self, cond: Option<&Expr>, body: &Block, paths: Paths) -> Paths {
        let mut code = cond.map(ToTokens::to_token_stream).unwrap_or_default();
        body.to_tokens(&mut code);
        let labels = labels(code.clone());
        let code = staying(code, Leaving::of_the_loop(&labels));
        let points = certain_points(code.clone());
        let on_entry = cond.map_or(paths, |cond| self.expr(cond, paths));
        let comes_round = self.branch(body, on_entry).yielded && !paths.yielded;
        if let Some(last) = points
            .last()
            .filter(|_| comes_round || !has_way_out_after_yield(code.clone()))
        {
            let selected = last.inside.foreign_macro && last.inside.async_block;
            let way_out = if selected
                && SELECTS.iter().any(|name| contains_word(code.clone(), name))
            {
                "make the `async` block once, before the loop, as in `let mut body = std::pin::pin!(async { … })`, and `select!` on `&mut body`"
            } else {
                "leave the loop with `break` after it, however the body ended, or yield outside of the loop"
            };
            let message = format!(
                "a loop would come by this yield again, but a context yields once: {way_out}"
            );
            self.report(last, &message);
        }
        paths
    }

    /// `?` hands an error to the caller, which an infallible context hasn't.
    fn question_mark(&mut self, failing: &syn::ExprTry) {
        let Returns::Plain(ty) = self.returns else {
            return;
        };
        if self.nested {
            return;
        }
        let message = match last_segment(ty) {
            // An alias that `validate` has complained of.
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

    fn spawned(&mut self, spawn: &Ident, arguments: TokenStream) {
        if let Some(point) = certain_points(arguments).first() {
            self.report(
                point,
                &format!("the yield point can't leave the context function, as `{spawn}` would have it: yield here, and `{spawn}` what is to run beside the caller's body"),
            );
        }
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
        let resource_is_unit = match self.returns {
            Returns::Plain(ty) | Returns::Result { resource: ty, .. } => {
                matches!(ungroup(ty), syn::Type::Tuple(tuple) if tuple.elems.is_empty())
            }
            Returns::Alias(_) => false,
        };
        let text = value.to_token_stream().to_string();
        let yielded = self.yields.points.iter().any(|point| matches!(&point.argument, Argument::Place(place) if place.to_token_stream().to_string() == text));
        let fallible_value = !matches!(self.returns, Returns::Plain(_)) && is_never_unit(value);
        if (yielded && !resource_is_unit) || fallible_value {
            self.report(value, &resource_returned(value, ends, self.returns));
        }
    }

    /// What is yielded by name inside an `async` block, and used after it.
    fn lost_resources(&mut self, statements: &[Stmt]) {
        for (i, statement) in statements.iter().enumerate() {
            let mut after = TokenStream::new();
            let expr = match statement {
                Stmt::Local(local) => {
                    // It may bind the same name.
                    local.pat.to_tokens(&mut after);
                    local.init.as_ref().map(|init| &*init.expr)
                }
                Stmt::Expr(expr, _) => Some(expr),
                Stmt::Macro(_) | Stmt::Item(_) => None,
            };
            statements[i + 1..]
                .iter()
                .for_each(|statement| statement.to_tokens(&mut after));
            match (statement, expr) {
                (Stmt::Macro(statement), _) => self.lost_in_join(&statement.mac, after),
                (_, Some(expr)) => self.lost_in(expr, after),
                _ => {}
            }
        }
    }

    /// In the `async` blocks among the arguments of `join!` and `select!`, of which those that come later are after it too.
    fn lost_in_join(&mut self, call: &Macro, after: TokenStream) {
        if !name_of(call).is_some_and(|name| is_one_of(name, &JOINS)) {
            return;
        }
        let tokens = Vec::from_iter(call.tokens.clone());
        for (i, token) in tokens.iter().enumerate() {
            if let (true, TokenTree::Group(block)) = (begins_async_block(&tokens[..i]), token) {
                let rest = tokens[i + 1..].iter().cloned().collect::<TokenStream>();
                self.lost_in_block(
                    block.to_token_stream(),
                    rest.into_iter().chain(after.clone()).collect(),
                );
            }
        }
    }

    fn lost_in_block(&mut self, code: TokenStream, after: TokenStream) {
        for point in Yields::find(code.clone(), self.yields.fixed.clone()).points {
            let Argument::Place(place) = &point.argument else {
                continue;
            };
            let Some(name) = root(place) else { continue };
            if !is_declared(name, code.clone()) && is_used_first(name, after.clone()) {
                let message = format!(
                    "`{name}` moves into this `async` block, and the caller's body can't leave it in the `{name}` outside: write `yield_resource!(move {place})`, which evaluates to `({name}, exit)`, and let the block end in that",
                    place = written(place),
                );
                self.report(place, &message);
            }
        }
    }

    fn lost_in(&mut self, expr: &Expr, after: TokenStream) {
        match expr {
            Expr::Async(expr) => self.lost_in_block(expr.block.to_token_stream(), after),
            Expr::Macro(expr) => self.lost_in_join(&expr.mac, after),
            Expr::Match(expr) => {
                let mut arms = TokenStream::new();
                expr.arms.iter().for_each(|arm| arm.to_tokens(&mut arms));
                arms.extend(after);
                self.lost_in(&expr.expr, arms);
            }
            Expr::If(expr) => {
                let mut branches = expr.then_branch.to_token_stream();
                if let Some((_, otherwise)) = &expr.else_branch {
                    otherwise.to_tokens(&mut branches);
                }
                branches.extend(after);
                self.lost_in(&expr.cond, branches);
            }
            Expr::Block(expr) => self.lost_resources(&expr.block.stmts),
            // Blocks that may not be run, or run again, say nothing certain of what is after them.
            Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_) | Expr::Closure(_) => {}
            _ => parts(expr)
                .into_iter()
                .for_each(|part| self.lost_in(part, after.clone())),
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
    let got = "the caller got the resource by the yield:";
    match (ends, returns) {
        (Ends::InTheEnd, Returns::Plain(_)) => {
            format!("{got} a context function ends in nothing")
        }
        (Ends::InTheEnd, _) => {
            format!("{got} a context function ends in `Ok(())`, or in nothing at all")
        }
        (Ends::Early(Paths { yielded: true }), Returns::Plain(_)) => {
            format!("{got} write `return`")
        }
        (Ends::Early(Paths { yielded: true }), _) => format!("{got} write `return Ok(())`"),
        (Ends::Early(_), Returns::Plain(_)) => format!("{yields_first} `return`"),
        (Ends::Early(_), _) => format!("{yields_first} `return Ok(())`"),
    }
}

fn cannot_fail(ty: &Type, ends: Ends) -> String {
    let instead = match ends {
        Ends::InTheEnd => ", or end in nothing",
        Ends::Early(Paths { yielded: true }) => ", or `return` alone",
        Ends::Early(_) => "",
    };
    if last_segment(ty).is_some_and(|segment| segment.ident.to_string().ends_with("Result")) {
        return format!("`infallible` says that this context can't fail: leave that out{instead}");
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

fn value_of(block: &Block) -> Option<&Expr> {
    match block.stmts.last() {
        Some(Stmt::Expr(last, None)) => Some(last),
        _ => None,
    }
}

/// What is yielded, by `yield_resource!(move value)` too.
fn without_move(tokens: TokenStream) -> TokenStream {
    let mut rest = tokens.clone().into_iter();
    match rest.next() {
        Some(TokenTree::Ident(word)) if word == "move" => rest.collect(),
        _ => tokens,
    }
}

/// The yields in `code`, unless a `#[cfg]` among them makes that uncertain.
fn certain_points(code: TokenStream) -> Vec<YieldPoint> {
    if is_configured(code.clone()) {
        return Vec::new();
    }
    Yields::find(code, Fixed::default()).points
}

/// Whether there is a `#[cfg]` somewhere.
fn is_configured(code: TokenStream) -> bool {
    contains_word(code.clone(), "cfg") || contains_word(code, "cfg_attr")
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

/// Where the value of an `if`, a `match` or a block comes from.
fn ends_of_branches(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Block(expr) => value_of(&expr.block).into_iter().collect(),
        Expr::If(expr) => {
            let otherwise = expr.else_branch.as_ref().map(|(_, otherwise)| &**otherwise);
            value_of(&expr.then_branch)
                .into_iter()
                .chain(otherwise)
                .collect()
        }
        Expr::Match(expr) => expr.arms.iter().map(|arm| &*arm.body).collect(),
        _ => Vec::new(),
    }
}

/// The parts of an expression, in the order in which they are evaluated; without those that have their own rules.
fn parts(expr: &Expr) -> Vec<&Expr> {
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
    name_of(call).is_none_or(|name| {
        let is_known = is_transparent(name)
            || (is_one_of(name, &SELECTS) && Select::new(call.tokens.clone()).is_some());
        name != "yield_resource" && !is_known
    })
}

/// The name of the macro, without the path that leads to it.
fn name_of(call: &Macro) -> Option<&Ident> {
    call.path.segments.last().map(|segment| &segment.ident)
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

/// By what a loop is left, at some place in it.
#[derive(Clone, Copy)]
struct Leaving<'l> {
    /// `break`.
    by_break: bool,
    /// `return`, and a `break` with a label.
    by_others: bool,
    /// The labels of what is inside of the loop.
    labels: &'l [Ident],
}

impl<'l> Leaving<'l> {
    fn of_the_loop(labels: &'l [Ident]) -> Leaving<'l> {
        Leaving {
            by_break: true,
            by_others: true,
            labels,
        }
    }

    /// Whether the loop is left where `tokens` begin.
    fn starts(self, tokens: &[TokenTree]) -> bool {
        match tokens {
            [
                TokenTree::Ident(word),
                TokenTree::Punct(quote),
                TokenTree::Ident(label),
                ..,
            ] if word == "break" && quote.as_char() == '\'' => {
                self.by_others && !self.labels.contains(label)
            }
            [TokenTree::Ident(word), ..] => {
                (self.by_break && word == "break") || (self.by_others && word == "return")
            }
            _ => false,
        }
    }

    /// Inside of a group with `before` in front of it.
    fn inside(self, before: &[TokenTree], in_loop: bool) -> Leaving<'l> {
        let is_closure = before.last().is_some_and(|token| is_punct(token, '|'));
        let own_return = is_closure || begins_async_block(before);
        Leaving {
            by_break: self.by_break && !in_loop && !own_return,
            by_others: self.by_others && !own_return,
            labels: self.labels,
        }
    }
}

/// A loop's code without the operands of what leaves the loop: it doesn't come by these again.
fn staying(code: TokenStream, leaving: Leaving<'_>) -> TokenStream {
    let tokens = Vec::from_iter(code);
    let mut stays = Vec::new();
    let mut left = false;
    let mut in_loop = false;
    let mut generic = 0;
    for (i, token) in tokens.iter().enumerate() {
        generic = generic.max(turbofish(&tokens[i..]).map_or(0, |length| i + length));
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => (left, in_loop) = (false, false),
            TokenTree::Punct(punct) if punct.as_char() == ',' => left &= i < generic,
            TokenTree::Ident(word) => in_loop |= is_loop(word, tokens.get(i + 1)),
            _ => {}
        }
        if left {
            continue;
        }
        left = leaving.starts(&tokens[i..]);
        stays.push(match token {
            TokenTree::Group(group) => {
                let braces = group.delimiter() == Delimiter::Brace;
                let inside = leaving.inside(&tokens[..i], in_loop && braces);
                in_loop &= !braces;
                regroup(group, staying(group.stream(), inside)).into()
            }
            other => other.clone(),
        });
    }
    stays.into_iter().collect()
}

/// Whether braces that come are those of a loop; `for<'a>` has none.
fn is_loop(word: &Ident, next: Option<&TokenTree>) -> bool {
    let bound = matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() == '<');
    word == "loop" || word == "while" || (word == "for" && !bound)
}

/// The labels of loops and blocks.
fn labels(code: TokenStream) -> Vec<Ident> {
    let mut flat = Vec::new();
    flatten(code, &mut flat);
    let label = |tokens: &[TokenTree]| match tokens {
        [
            TokenTree::Punct(quote),
            TokenTree::Ident(label),
            TokenTree::Punct(colon),
        ] if quote.as_char() == '\'' && colon.as_char() == ':' => Some(label.clone()),
        _ => None,
    };
    flat.windows(3).filter_map(label).collect()
}

/// Whether `break`, `return` or something that never returns comes after the last yield.
fn has_way_out_after_yield(tokens: TokenStream) -> bool {
    let mut flat = Vec::new();
    flatten(tokens, &mut flat);
    let is = |token: &TokenTree, words: &[&str]| matches!(token, TokenTree::Ident(word) if is_one_of(word, words));
    let after = flat
        .iter()
        .rposition(|token| is(token, &["yield_resource"]))
        .map_or(0, |last| last + 1);
    flat[after..].windows(2).any(|tokens| {
        let called = matches!(&tokens[1], TokenTree::Group(_))
            || matches!(&tokens[1], TokenTree::Punct(bang) if bang.as_char() == '!');
        is(&tokens[0], &["break", "return"])
            || (called && (is(&tokens[0], &PANICS) || is(&tokens[0], &["bail", "exit", "abort"])))
    })
}

fn collect_words(tokens: TokenStream, words: &mut Vec<Ident>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => words.push(word),
            TokenTree::Group(group) => collect_words(group.stream(), words),
            _ => {}
        }
    }
}

/// Whether `name` is bound somewhere in `tokens`, as far as a `let` tells.
fn is_declared(name: &Ident, tokens: TokenStream) -> bool {
    let mut words = Vec::new();
    collect_words(tokens, &mut words);
    words.windows(3).any(|words| {
        words[0] == "let" && (words[1] == *name || (words[1] == "mut" && words[2] == *name))
    }) || matches!(words.as_slice(), [.., keyword, last] if keyword == "let" && last == name)
}

/// Whether the first mention of `name` is surely a use of the variable: `name.method()`, `call(name)`, `println!("{name}")`.
fn is_used_first(name: &Ident, tokens: TokenStream) -> bool {
    let mut flat = Vec::new();
    flatten(tokens, &mut flat);
    let is_mention = |token: &TokenTree| match token {
        TokenTree::Ident(word) => word == name,
        TokenTree::Literal(text) => is_formatted(name, &text.to_string()),
        _ => false,
    };
    let Some(position) = flat.iter().position(is_mention) else {
        return false;
    };
    let at = |offset: isize| {
        position
            .checked_add_signed(offset)
            .and_then(|position| flat.get(position))
    };
    let punct = |offset: isize, expected: char| matches!(at(offset), Some(TokenTree::Punct(punct)) if punct.as_char() == expected);
    let delimiter = |offset: isize| matches!(at(offset), Some(TokenTree::Group(_)));
    if let TokenTree::Literal(_) = flat[position] {
        return delimiter(-1) && punct(-2, '!');
    }
    let called = matches!(at(-2), Some(TokenTree::Ident(function)) if !is_keyword(function) && !function.to_string().starts_with(char::is_uppercase));
    let behind_a_path = punct(-1, '.') || punct(-1, ':') || punct(-1, '\'');
    let receiver = !behind_a_path && punct(1, '.') && !punct(2, '.');
    receiver || (called && delimiter(-1) && delimiter(1))
}

/// Whether the text of a literal is a string that captures `name`, as `"{name:?}"` does.
pub(crate) fn is_formatted(name: &Ident, literal: &str) -> bool {
    let name = name.to_string();
    literal
        .match_indices(&format!("{{{name}"))
        .any(|(at, found)| {
            let escaped = literal[..at].ends_with('{');
            !escaped && matches!(literal[at + found.len()..].chars().next(), Some('}' | ':'))
        })
}

/// Of the keywords, those that may stand before an opening parenthesis and begin a pattern behind it.
fn is_keyword(word: &Ident) -> bool {
    is_one_of(word, &["let", "for", "mut", "ref", "fn"])
}

/// Groups are replaced by a delimiter before and after what is in them.
fn flatten(tokens: TokenStream, flat: &mut Vec<TokenTree>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let empty =
                    || TokenTree::from(Group::new(Delimiter::Parenthesis, TokenStream::new()));
                flat.push(empty());
                flatten(group.stream(), flat);
                flat.push(empty());
            }
            other => flat.push(other),
        }
    }
}
