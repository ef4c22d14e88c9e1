//! The yield points: finds each `yield_resource!(…)` among the body's tokens, and gives it the handle that it consumes.

use std::iter;

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Member, ReceiverKind, Token, parse::Parser, punctuated::Punctuated};

use crate::{
    args::Args,
    borrows::argument_by_reference,
    error::written,
    known::{SPAWNS, is_transparent},
    signature::ContextFn,
    tokens::{
        arrow_before, closure_head, contains_word, is_one_of, is_punct, macro_call, nested_item,
        regroup, turbofish,
    },
};

/// The name of the handle. Rustc mentions it where the handle or what came of it is misused ("use of moved value: `yield_resource`",
/// "`yield_resource` escapes the closure body here"), so it is what the user calls the yield.
pub(crate) const HANDLE: &str = "yield_resource";

/// The yield points of a context function.
#[derive(Default)]
pub(crate) struct Yields {
    pub(crate) points: Vec<YieldPoint>,
    /// The body, each yield point with its handle.
    pub(crate) body: TokenStream,
    pub(crate) fixed: Fixed,
}

/// What nothing can be put back into, as the signature tells.
#[derive(Clone, Default)]
pub(crate) struct Fixed {
    /// Constants of the generics, and a `self` that isn't `mut`.
    names: Vec<Ident>,
    /// Those whose parts are behind a `&`, or not `mut` either.
    whole: Vec<Ident>,
}

/// One `yield_resource!(…)`.
pub(crate) struct YieldPoint {
    /// The call, without a path before it.
    pub(crate) call: TokenStream,
    /// The name that is called, if no path is before it.
    pub(crate) imported: Option<Ident>,
    pub(crate) argument: Argument,
    pub(crate) inside: Inside,
}

/// What stands in the parentheses.
pub(crate) enum Argument {
    /// Nothing.
    Unit,
    /// A variable, or a part of one: what the body leaves is put back into it.
    Place(Expr),
    /// `move v`: evaluates to `v` and the exit.
    Move,
    /// Any other expression.
    Value,
    /// What is no expression, or several of them.
    Mistake(syn::Error),
}

/// What a yield point is nested in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Inside {
    pub(crate) async_block: bool,
    pub(crate) closure: bool,
    /// A macro other than the standard library's own.
    pub(crate) foreign_macro: bool,
    /// Behind a `|` in the same statement: of a closure, as far as tokens can tell, or not.
    pub(crate) after_bar: bool,
    pub(crate) repeated: bool,
    pub(crate) spawned: bool,
}

impl Inside {
    /// Whether something other than the context function itself polls the yield point.
    pub(crate) fn is_wrapped(self) -> bool {
        self.async_block || self.closure || self.foreign_macro
    }
}

impl Yields {
    pub(crate) fn find(body: TokenStream, fixed: Fixed) -> Yields {
        let mut yields = Yields {
            fixed,
            ..Yields::default()
        };
        yields.body = yields.walk(body, Inside::default());
        yields
    }

    /// The braces around the body. Their edition decides when temporaries of the last expression are dropped: it stays the user's.
    pub(crate) fn in_braces(&self, body: &Group) -> Group {
        if self.points.is_empty() {
            // Untouched, as below.
            return body.clone();
        }
        regroup(body, self.body.clone())
    }

    /// Whether the body is polled inside something that the context function wraps around it.
    pub(crate) fn is_wrapping(&self) -> bool {
        self.points.iter().any(|point| point.inside.is_wrapped())
    }

    /// Whether that can't be excluded: less is certain of tokens than is good enough for a guess.
    pub(crate) fn may_be_polled_by_others(&self) -> bool {
        self.is_wrapping() || self.points.iter().any(|point| point.inside.after_bar)
    }

    fn walk(&mut self, tokens: TokenStream, outer: Inside) -> TokenStream {
        let tokens = Vec::from_iter(tokens);
        let mut walked = TokenStream::new();
        let mut statement = Statement::new(outer);
        let mut bar = outer.after_bar;
        let mut i = 0;
        while i < tokens.len() {
            let token = &tokens[i];
            bar = is_punct(token, '|') || bar && !is_punct(token, ';') || outer.after_bar;
            statement.inside.after_bar = bar;
            if let Some(length) = nested_item(&tokens[i..]) {
                walked.extend(tokens[i..i + length].iter().cloned());
                i += length;
                statement = Statement::new(outer);
                continue;
            }
            if let Some((name, group)) = macro_call(&tokens[i..]) {
                let injected = if name == "yield_resource" {
                    let imported = !i
                        .checked_sub(1)
                        .is_some_and(|before| is_punct(&tokens[before], ':'));
                    self.inject(name, imported, group, statement.inside)
                } else {
                    let foreign_macro = statement.inside.foreign_macro || !is_transparent(name);
                    self.group(
                        group,
                        Inside {
                            foreign_macro,
                            ..statement.inside
                        },
                    )
                };
                walked.extend([token.clone(), tokens[i + 1].clone(), injected.into()]);
                i += 3;
                continue;
            }
            if let Some(length) = closure_head(&tokens, i) {
                walked.extend(tokens[i..i + length].iter().cloned());
                statement.inside.closure = true;
                i += length;
                continue;
            }
            match token {
                TokenTree::Group(group) => {
                    let inside = statement.group(group, &tokens[..i]);
                    walked.extend(iter::once(TokenTree::from(self.group(group, inside))));
                    statement.after_group(group, outer);
                }
                TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | ';') => {
                    walked.extend(iter::once(token.clone()));
                    statement = Statement::new(outer);
                }
                other => {
                    if let TokenTree::Ident(ident) = other {
                        statement.loops |= ident == "loop" || ident == "while" || ident == "for";
                    }
                    walked.extend(iter::once(other.clone()));
                    if let Some(length) = turbofish(&tokens[i..]) {
                        walked.extend(tokens[i + 1..i + length].iter().cloned());
                        i += length - 1;
                    }
                }
            }
            i += 1;
        }
        walked
    }

    fn group(&mut self, group: &Group, inside: Inside) -> Group {
        let before = self.points.len();
        let walked = self.walk(group.stream(), inside);
        if self.points.len() == before {
            // Untouched: the original keeps the spans of both its delimiters.
            return group.clone();
        }
        regroup(group, walked)
    }

    /// `yield_resource!(tx)` becomes `yield_resource!(@place yield_resource, tx)`.
    fn inject(&mut self, name: &Ident, imported: bool, group: &Group, inside: Inside) -> Group {
        let (argument, tokens) = Argument::new(group.stream());
        let argument = match argument {
            Argument::Place(place) if self.fixed.holds(&place) => Argument::Value,
            other => other,
        };
        let form = match argument {
            Argument::Unit => "unit",
            Argument::Place(_) => "place",
            Argument::Move => "move",
            Argument::Value | Argument::Mistake(_) => "value",
        };
        let bang = Punct::new('!', Spacing::Alone);
        self.points.push(YieldPoint {
            call: quote_spanned!(name.span()=> #name #bang #group),
            imported: imported.then(|| name.clone()),
            argument,
            inside,
        });

        let site = Span::mixed_site().located_at(name.span());
        let form = Ident::new(form, site);
        let handle = Ident::new(HANDLE, site);
        let comma = (!tokens.is_empty()).then(|| quote_spanned!(site=> ,));
        regroup(group, quote_spanned!(site=> @ #form #handle #comma #tokens))
    }
}

impl Fixed {
    /// Of a context function with this body.
    pub(crate) fn of(function: &ContextFn, args: &Args, body: &TokenStream) -> Fixed {
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

    fn holds(&self, place: &Expr) -> bool {
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

/// Whether something in `tokens` may have this name too: of a pattern, or by a macro such as `pin_mut!(name)`.
pub(crate) fn may_be_bound(name: &Ident, tokens: TokenStream) -> bool {
    let tokens = Vec::from_iter(tokens);
    // Where the arm begins whose pattern a `=>` ends.
    let mut arm = 0;
    for (i, token) in tokens.iter().enumerate() {
        let pattern = pattern(&tokens, arm, i).iter().cloned().collect();
        if contains_word(pattern, &name.to_string()) {
            return true;
        }
        match token {
            TokenTree::Group(group) => {
                if may_be_bound(name, group.stream()) || is_given(name, &tokens[..i], group) {
                    return true;
                }
                if arrow_before(&tokens, i) {
                    arm = i + 1;
                }
            }
            token if is_punct(token, ',') => arm = i + 1,
            _ => {}
        }
    }
    false
}

/// The pattern that begins at `tokens[i]`, or that of an arm if this is its `=>`; else nothing.
fn pattern(tokens: &[TokenTree], arm: usize, i: usize) -> &[TokenTree] {
    let rest = &tokens[i..];
    let until = |tokens: &[TokenTree], word: &str| {
        let end = tokens.iter().position(|token| token.to_string() == word);
        end.unwrap_or(tokens.len())
    };
    match rest {
        [TokenTree::Ident(word), ..] if word == "let" => &rest[..until(rest, "=")],
        [TokenTree::Ident(word), ..] if word == "for" => &rest[..until(rest, "in")],
        [equals, arrow, ..] if is_punct(equals, '=') && is_punct(arrow, '>') => {
            let arm = &tokens[arm..i];
            &arm[..until(arm, "if")]
        }
        _ => &rest[..closure_head(tokens, i).unwrap_or(0)],
    }
}

/// Whether this is the first argument of a macro other than the standard library's.
fn is_given(name: &Ident, before: &[TokenTree], arguments: &Group) -> bool {
    let [.., TokenTree::Ident(called), bang] = before else {
        return false;
    };
    is_punct(bang, '!')
        && called != "yield_resource"
        && !is_transparent(called)
        && matches!(arguments.stream().into_iter().next(), Some(TokenTree::Ident(first)) if first == *name)
}

impl Argument {
    /// What kind it is, and what is left of it without `move` and a final comma.
    fn new(tokens: TokenStream) -> (Argument, TokenStream) {
        let mut rest = tokens.clone().into_iter();
        match (rest.next(), rest.clone().next()) {
            (None, _) => return (Argument::Unit, tokens),
            (Some(TokenTree::Ident(word)), next)
                if word == "move" && !next.as_ref().is_some_and(|next| is_punct(next, '|')) =>
            {
                let moved = without_final_comma(rest.collect());
                let argument = match mistake(&moved, Some(&word)) {
                    Some(error) => Argument::Mistake(error),
                    None => Argument::Move,
                };
                return (argument, moved);
            }
            _ => {}
        }
        let tokens = without_final_comma(tokens);
        let argument = match syn::parse2::<Expr>(tokens.clone()) {
            Ok(place) if is_place(&place) => Argument::Place(place),
            Ok(value) if !matches!(value, Expr::Let(_)) => Argument::Value,
            _ => match mistake(&tokens, None) {
                Some(error) => Argument::Mistake(error),
                // What is no slip is for rustc to explain.
                None => Argument::Value,
            },
        };
        (argument, tokens)
    }
}

/// What is said of `mut a`, `let a = b`, `name: a`, `a; b` and `a, b`, and of a `move` of nothing.
fn mistake(value: &TokenStream, moves: Option<&Ident>) -> Option<syn::Error> {
    let tokens = Vec::from_iter(value.clone());
    let call = |value: &str| match moves {
        Some(_) => format!("`yield_resource!(move {value})`"),
        None => format!("`yield_resource!({value})`"),
    };
    let without = |odd_one: &str, value: &[TokenTree]| {
        let value = value.iter().cloned().collect::<TokenStream>();
        let call = call(&written(value));
        format!("a yield takes one expression: write {call}, without {odd_one}")
    };
    let is_binding = |token: &&TokenTree| ["mut", "ref"].contains(&token.to_string().as_str());
    let bindings = tokens.iter().take_while(is_binding).count();
    let (at, message) = match tokens.as_slice() {
        [] => (
            moves?.to_token_stream(),
            "what is moved is missing: write `yield_resource!(move value)`".to_owned(),
        ),
        [word, ..] if (1..tokens.len()).contains(&bindings) => (
            word.to_token_stream(),
            without(&format!("`{word}`"), &tokens[bindings..]),
        ),
        [TokenTree::Ident(word), _, ..] if word == "let" => (
            word.to_token_stream(),
            "a yield takes one expression: put the `let` before it, and yield the variable"
                .to_owned(),
        ),
        [name @ TokenTree::Ident(_), colon, rest @ ..]
            if is_punct(colon, ':') && rest.first().is_some_and(|next| !is_punct(next, ':')) =>
        {
            (name.to_token_stream(), without(&format!("`{name}:`"), rest))
        }
        [rest @ .., semicolon] if is_punct(semicolon, ';') && !rest.is_empty() => {
            (semicolon.to_token_stream(), without("the semicolon", rest))
        }
        _ => {
            let second = second(value)?;
            match without_turbofish(&tokens) {
                Some((open, path)) => (
                    open.into_token_stream(),
                    format!(
                        "the types of a path stand behind `::` in an expression: write `{path}::<…>`"
                    ),
                ),
                None => (
                    second,
                    format!(
                        "a context yields one resource: put several into a tuple, {}",
                        call("(a, b)")
                    ),
                ),
            }
        }
    };
    Some(syn::Error::new_spanned(at, message))
}

/// What is behind the first comma or semicolon.
fn second(tokens: &TokenStream) -> Option<TokenStream> {
    let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone());
    if let Ok(arguments) = arguments {
        return arguments.get(1).map(ToTokens::to_token_stream);
    }
    let mut rest = tokens.clone().into_iter();
    rest.find(|token| is_punct(token, ';'))?;
    Some(rest.collect())
}

/// The `<` of `HashMap<u8, u8>::new()`, which would be `HashMap < u8` and a second expression; and the path before it.
fn without_turbofish(tokens: &[TokenTree]) -> Option<(TokenTree, String)> {
    let open = tokens.iter().position(|token| is_punct(token, '<'))?;
    let closes = |pair: &[TokenTree]| {
        let goes_on = is_punct(&pair[1], ':') || matches!(pair[1], TokenTree::Group(_));
        is_punct(&pair[0], '>') && goes_on
    };
    if !tokens[open..].windows(2).any(closes) {
        return None;
    }
    let path = written(tokens[..open].iter().cloned().collect::<TokenStream>());
    Some((tokens[open].clone(), path))
}

/// Whether what the body leaves can be put back: a variable, or what is reached from one by fields, `*` and plain indices.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(path) if path.qself.is_none() => {
            // Constants, unit structs and variants begin with a capital letter.
            path.path.get_ident().is_some_and(|name| {
                !name
                    .to_string()
                    .trim_start_matches("r#")
                    .starts_with(char::is_uppercase)
            })
        }
        Expr::Field(field) => is_place(&field.base),
        Expr::Index(index) => {
            is_place(&index.expr)
                && (is_place(&index.index) || matches!(*index.index, Expr::Lit(_)))
        }
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Deref(_)) && is_place(&unary.expr),
        Expr::Paren(paren) => is_place(&paren.expr),
        Expr::Group(group) => is_place(&group.expr),
        _ => false,
    }
}

/// The variable that a place is or is part of.
pub(crate) fn root(place: &Expr) -> Option<&Ident> {
    match place {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Field(syn::ExprField {
            base,
            member: Member::Named(_) | Member::Unnamed(_),
            ..
        }) => root(base),
        Expr::Index(index) => root(&index.expr),
        Expr::Unary(unary) => root(&unary.expr),
        Expr::Paren(paren) => root(&paren.expr),
        Expr::Group(group) => root(&group.expr),
        _ => None,
    }
}

/// What is known of the statement, argument or arm that is being walked.
struct Statement {
    inside: Inside,
    /// A `loop`, `while` or `for` whose braces are still to come.
    loops: bool,
}

impl Statement {
    fn new(outer: Inside) -> Statement {
        Statement {
            inside: outer,
            loops: false,
        }
    }

    /// What the tokens of `group` are inside of, `before` being the tokens in front of it.
    fn group(&self, group: &Group, before: &[TokenTree]) -> Inside {
        let mut inside = self.inside;
        match group.delimiter() {
            Delimiter::Brace => {
                let word = |nth: usize| match before.iter().rev().nth(nth) {
                    Some(TokenTree::Ident(word)) => word.to_string(),
                    _ => String::new(),
                };
                inside.async_block |=
                    word(0) == "async" || (word(0) == "move" && word(1) == "async");
                inside.repeated |= self.loops;
            }
            Delimiter::Parenthesis => {
                inside.spawned |= matches!(before.last(), Some(TokenTree::Ident(word)) if is_one_of(word, &SPAWNS));
            }
            Delimiter::Bracket | Delimiter::None => {}
        }
        inside
    }

    fn after_group(&mut self, group: &Group, outer: Inside) {
        if group.delimiter() == Delimiter::Brace {
            // A loop's braces end its statement; a closure's body goes on to a comma or semicolon.
            self.loops = false;
            self.inside = Inside {
                closure: self.inside.closure,
                ..outer
            };
        }
    }
}

fn without_final_comma(tokens: TokenStream) -> TokenStream {
    let mut tokens = Vec::from_iter(tokens);
    if tokens.last().is_some_and(|token| is_punct(token, ',')) {
        tokens.pop();
    }
    tokens.into_iter().collect()
}

impl ToTokens for YieldPoint {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.call.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests;
